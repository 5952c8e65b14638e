/* tests/fuzz/replay.c: runs a fuzz target over files instead of a fuzzer's inventions, so that
 * what a fuzzer once found is tried again by every `make check`, with any compiler.
 *
 *     fuzz_x FILE|FOLDER... */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int inputs;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    fseek(file, 0, SEEK_END);
    long end = ftell(file);
    size_t size = end > 0 ? (size_t)end : 0;
    rewind(file);
    uint8_t *data = malloc(size ? size : 1); /* exact, so that a sanitizer sees a read beyond it */
    bool complete = data && fread(data, 1, size, file) == size;
    fclose(file);
    if (complete) {
        fprintf(stderr, "# %s\n", path); /* the last one is the culprit */
        LLVMFuzzerTestOneInput(data, size);
        inputs++;
    }
    free(data);
    return complete ? 0 : -1;
}

static int replay(const char *path)
{
    struct stat about;
    if (stat(path, &about)) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(about.st_mode))
        return replay_file(path);
    DIR *folder = opendir(path);
    int result = folder ? 0 : -1;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        result |= replay(inner);
    }
    if (folder)
        closedir(folder);
    return result;
}

int main(int count, char **arguments)
{
    int result = 0;
    for (int i = 1; i < count; i++)
        result |= replay(arguments[i]);
    int fine = !result && inputs > 0;
    printf("%sok 1 - %d inputs of the corpus do no harm\n1..1\n", fine ? "" : "not ", inputs);
    return fine ? 0 : 1;
}
