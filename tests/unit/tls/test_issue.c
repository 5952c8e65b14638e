/* Certificates that `hawser init` makes. */
#include "tls/issue.h"

#include <gnutls/x509.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static gnutls_x509_crt_t parse(const struct tls_issue *issue)
{
    gnutls_x509_crt_t cert;
    const char *pem = tls_issue_cert_pem(issue);
    gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
    must(gnutls_x509_crt_init(&cert) == 0);
    must(gnutls_x509_crt_import(cert, &text, GNUTLS_X509_FMT_PEM) == 0);
    return cert;
}

/* The reasons against cert, if ca is trusted and the far end should be a server or a client. */
static unsigned verify(gnutls_x509_crt_t cert, gnutls_x509_crt_t ca, const char *purpose)
{
    gnutls_x509_trust_list_t list;
    gnutls_typed_vdata_st data = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)purpose,
                                  0};
    unsigned status = ~0u;
    must(gnutls_x509_trust_list_init(&list, 0) == 0);
    must(gnutls_x509_trust_list_add_cas(list, &ca, 1, 0) == 1);
    must(gnutls_x509_trust_list_verify_crt2(list, &cert, 1, &data, 1, 0, &status, NULL) == 0);
    gnutls_x509_trust_list_deinit(list, 0);
    return status;
}

static bool key_fits(const struct tls_issue *issue, gnutls_x509_crt_t cert)
{
    gnutls_x509_privkey_t key;
    unsigned char of_key[64], of_cert[64];
    size_t key_size = sizeof of_key, cert_size = sizeof of_cert;
    const char *pem = tls_issue_key_pem(issue);
    gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
    must(gnutls_x509_privkey_init(&key) == 0);
    must(gnutls_x509_privkey_import(key, &text, GNUTLS_X509_FMT_PEM) == 0);
    must(gnutls_x509_privkey_get_key_id(key, 0, of_key, &key_size) == 0);
    must(gnutls_x509_crt_get_key_id(cert, 0, of_cert, &cert_size) == 0);
    gnutls_x509_privkey_deinit(key);
    return key_size == cert_size && memcmp(of_key, of_cert, key_size) == 0;
}

static void test_server(const struct tls_issue *ca, gnutls_x509_crt_t ca_cert)
{
    const char *hosts[] = {"server.example", "192.0.2.1", "2001:db8::1", "spiffe://example/s"};
    struct tls_issue_request request = {
        .name = "server", .hosts = hosts, .host_count = 4, .role = TLS_SERVER, .days = 2};
    struct tls_issue *issue;
    char why[256] = "";
    ok(tls_issue_endpoint(ca, &request, &issue, why, sizeof why) == ERR_OK, "a server %s", why);
    gnutls_x509_crt_t cert = parse(issue);
    ok(key_fits(issue, cert), "its key fits");
    ok(verify(cert, ca_cert, GNUTLS_KP_TLS_WWW_SERVER) == 0, "it is trusted as a server");
    ok(verify(cert, ca_cert, GNUTLS_KP_TLS_WWW_CLIENT) != 0, "not as a client");
    ok(gnutls_x509_crt_check_hostname(cert, "server") &&
           gnutls_x509_crt_check_hostname(cert, "server.example") &&
           gnutls_x509_crt_check_hostname(cert, "192.0.2.1") &&
           gnutls_x509_crt_check_hostname(cert, "2001:db8::1"),
       "it carries every name and address");
    ok(!gnutls_x509_crt_check_hostname(cert, "other.example"), "and no other");
    char uri[64];
    size_t size = sizeof uri;
    ok(gnutls_x509_crt_get_subject_alt_name(cert, 4, uri, &size, NULL) == GNUTLS_SAN_URI &&
           size == 18 && memcmp(uri, hosts[3], size) == 0,
       "and the URI");
    time_t left = tls_issue_expires(issue) - time(NULL);
    ok(left > 2 * 86400 - 60 && left <= 2 * 86400 &&
           gnutls_x509_crt_get_expiration_time(cert) == tls_issue_expires(issue),
       "for as long as asked");
    ok(gnutls_x509_crt_get_activation_time(cert) < time(NULL) - 600,
       "and already on hosts whose clock is behind");
    gnutls_x509_crt_deinit(cert);
    tls_issue_free(issue);
}

static void test_other_ca(const struct tls_issue *ca, gnutls_x509_crt_t ca_cert)
{
    struct tls_issue *other, *issue;
    struct tls_issue_request request = {.name = "client", .role = TLS_CLIENT, .days = 2};
    char why[256];
    must(tls_issue_ca("Other CA", 1, &other, why, sizeof why) == ERR_OK);
    must(tls_issue_endpoint(ca, &request, &issue, why, sizeof why) == ERR_OK);
    gnutls_x509_crt_t cert = parse(issue), other_cert = parse(other);
    ok(verify(cert, ca_cert, GNUTLS_KP_TLS_WWW_CLIENT) == 0, "a client is trusted as one");
    ok(verify(cert, other_cert, GNUTLS_KP_TLS_WWW_CLIENT) != 0, "but not under another CA");
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_crt_deinit(other_cert);
    tls_issue_free(issue);
    tls_issue_free(other);
}

int main(void)
{
    struct tls_issue *ca;
    char why[256] = "";
    unsigned critical = 0;
    ok(tls_issue_ca("Test CA", 10, &ca, why, sizeof why) == ERR_OK, "a CA %s", why);
    gnutls_x509_crt_t cert = parse(ca);
    ok(gnutls_x509_crt_get_ca_status(cert, &critical) == 1 && critical, "it may sign");
    ok(key_fits(ca, cert), "its key fits");
    test_server(ca, cert);
    test_other_ca(ca, cert);
    gnutls_x509_crt_deinit(cert);
    tls_issue_free(ca);
    tls_issue_free(NULL);

    return tap_done();
}
