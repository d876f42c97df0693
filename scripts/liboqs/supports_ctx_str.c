// OQS_SIG_supports_ctx_str for liboqs 0.13, which the newest oqs-sys carries; liboqs-python 0.16 asks for it at import.
// The meaning is that of liboqs 0.14 and later: whether the named algorithm signs with a context string.
#include <stdbool.h>
#include <stddef.h>

#include <oqs/oqs.h>

OQS_API bool OQS_SIG_supports_ctx_str(const char *alg_name) {
	OQS_SIG *sig = alg_name == NULL ? NULL : OQS_SIG_new(alg_name);
	if (sig == NULL) {
		return false;
	}
	bool supported = sig->sig_with_ctx_support;
	OQS_SIG_free(sig);
	return supported;
}
