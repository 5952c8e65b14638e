/* Prints the figures of hawser bench resume, as text or JSON. */
#include "bench/resume/report.h"

#include <inttypes.h>
#include <jansson.h>

void bench_resume_print(const struct bench_resume_options *options,
                        const struct bench_resume_result *result, FILE *out)
{
    const struct bench_memory_result *memory = &result->memory;
    const char *transport = options->transport;
    fprintf(out, "%s (%s): %u children by %u threads through %u associations over %s\n",
            result->words, result->mode, options->children, options->threads, options->associations,
            transport);
    fprintf(out, "  resumed            %" PRIu64 " of %u", result->resumed, options->children);
    if (result->full)
        fprintf(out, "; %" PRIu64 " full", result->full);
    if (result->failed)
        fprintf(out, "; %" PRIu64 " failed", result->failed);
    fprintf(out, "\n  rate               %.0f a second, %.2f s in all\n", result->per_s,
            result->seconds);
    fprintf(out, "  processor time     %.0f us for both ends of a child\n", result->child_us);
    if (result->base)
        fprintf(out,
                "  full handshakes    %.0f a second, %.0f us each (%u over %s, just before): "
                "resumed ones are %.1f times as fast, at %.2f of the processor time\n",
                result->base_per_s, result->base_us, result->base, transport,
                result->per_s / result->base_per_s, result->child_us / result->base_us);
    if (memory->children_per_s > 0)
        fprintf(
            out,
            "  in memory          %.0f a second resumed, %.0f us each; %.0f full: %.1f times as "
            "fast\n",
            memory->children_per_s, memory->child_us, memory->full_per_s,
            memory->children_per_s / memory->full_per_s);
    else
        fprintf(out, "  in memory          %.0f a second\n", memory->full_per_s);
}

json_t *bench_resume_report(const struct bench_resume_options *options,
                            const struct bench_resume_result *result)
{
    const struct bench_memory_result *memory = &result->memory;
    json_t *report =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:f, s:f, s:f}", "mode", result->mode,
                  "transport", options->transport, "children", (int)options->children, "threads",
                  (int)options->threads, "associations", (int)options->associations, "resumed",
                  (json_int_t)result->resumed, "full", (json_int_t)result->full, "failed",
                  (json_int_t)result->failed, "seconds", result->seconds, "per_second",
                  result->per_s, "child_us", result->child_us);
    if (result->base)
        json_object_update_new(
            report, json_pack("{s:i, s:f, s:f, s:f}", "full_children", (int)result->base,
                              "full_per_second", result->base_per_s, "full_us", result->base_us,
                              "ratio_to_full", result->per_s / result->base_per_s));
    json_object_set_new(report, "full_per_second_in_memory", json_real(memory->full_per_s));
    if (memory->children_per_s > 0)
        json_object_update_new(report, json_pack("{s:f, s:f, s:f, s:f}", "per_second_in_memory",
                                                 memory->children_per_s, "ratio_to_memory",
                                                 result->per_s / memory->children_per_s,
                                                 "child_us_in_memory", memory->child_us,
                                                 "ratio_to_full_in_memory",
                                                 memory->children_per_s / memory->full_per_s));
    return report;
}
