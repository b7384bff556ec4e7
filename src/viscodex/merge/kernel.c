/* The inner loop of a weighted sum of bfloat16 tensors: out = bf16(f32(sum of c[k] * x[k] in double)).
 *
 * The numpy path in arithmetic.py and dtypes.py is the definition; this gives the same bits about eight times faster,
 * because nothing leaves the first-level cache between decoding and rounding. Compiled without floating-point
 * contraction: a fused multiply-add would round differently. Plain C, called through ctypes.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TILE 1024

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_CPU __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_EACH_CPU
#endif

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Returns 1 if any result is NaN or an infinity, else 0. Terms with c[k] == 0 must be left out by the caller. */
FOR_EACH_CPU
int viscodex_weighted_sum_bf16(uint16_t *out, const uint16_t *const *x, const double *c, size_t terms, size_t count) {
    double sum[TILE];
    uint32_t largest = 0;
    for (size_t start = 0; start < count; start += TILE) {
        size_t size = count - start < TILE ? count - start : TILE;
        const uint16_t *first = x[0] + start;
        for (size_t i = 0; i < size; i++)
            sum[i] = c[0] * (double)from_bits((uint32_t)first[i] << 16);
        for (size_t k = 1; k < terms; k++) {
            const uint16_t *term = x[k] + start;
            for (size_t i = 0; i < size; i++)
                sum[i] += c[k] * (double)from_bits((uint32_t)term[i] << 16);
        }
        for (size_t i = 0; i < size; i++) {
            uint32_t bits = to_bits((float)sum[i]);
            uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
            uint32_t magnitude = rounded & 0x7FFF;
            largest = magnitude > largest ? magnitude : largest;
            out[start + i] = (uint16_t)rounded;
        }
    }
    return largest >= 0x7F80;
}
