/* How many letters of one text match another, as Python's difflib counts them: the longest common run, then the same on
   both sides of it. In a second text of 200 letters or more, letters that make up more than a hundredth are "popular":
   no run starts or goes on by them, but a run that was found is widened over them. */

#include <stdint.h>
#include <stdlib.h>

typedef uint32_t letter;

struct second { /* the text that many are compared with */
    const letter *text;
    int length;
    int mask;         /* slots of the table below, minus one: a power of two */
    int *slots;       /* place of a letter's first occurrence, or -1 */
    int *next;        /* the next place of the same letter, or -1 */
    int *popular;     /* by the letter's first place */
    int *row, *other; /* lengths of the runs that end at a place, in the row before and in this one; all zero between uses */
};

static int slot(const struct second *b, letter value) {
    int at = (int)((value * 2654435761u) >> 7) & b->mask;
    while (b->slots[at] >= 0 && b->text[b->slots[at]] != value) at = (at + 1) & b->mask;
    return at;
}

/* The first place of a letter by which runs go on, or -1. */
static int places(const struct second *b, letter value) {
    int first = b->slots[slot(b, value)];
    return first < 0 || b->popular[first] ? -1 : first;
}

static int prepare(struct second *b) {
    int size = 16, n = b->length;
    while (size < 2 * n + 2) size *= 2;
    b->mask = size - 1;
    int *memory = malloc(sizeof(int) * ((size_t)size + 5 * (size_t)n + 5));
    if (!memory) return 0;
    b->slots = memory;
    b->next = memory + size;
    b->popular = b->next + n + 1;
    b->row = b->popular + n + 1;
    b->other = b->row + n + 1;
    int *count = b->other + n + 1;
    for (int i = 0; i < size; i++) b->slots[i] = -1;
    for (int i = 0; i <= n; i++) b->popular[i] = b->row[i] = b->other[i] = 0;
    for (int i = 0; i < n; i++) count[i] = 0;
    for (int i = n - 1; i >= 0; i--) { /* from the end, so that the lists rise */
        int at = slot(b, b->text[i]), after = b->slots[at];
        b->next[i] = after;
        count[i] = after < 0 ? 1 : count[after] + 1;
        b->slots[at] = i;
    }
    if (n >= 200)
        for (int i = 0; i <= b->mask; i++)
            if (b->slots[i] >= 0 && count[b->slots[i]] > n / 100 + 1) b->popular[b->slots[i]] = 1;
    return 1;
}

/* The longest run in both ranges, of equally long ones the first in `a`, then in `b`; its length. */
static int longest(const letter *a, const struct second *b, int alo, int ahi, int blo, int bhi, int *ai, int *bi) {
    int size = 0, besta = alo, bestb = blo, before = -1; /* `before`: the letter's list that filled the row */
    int *row = b->row, *now = b->other;
    for (int i = alo; i < ahi; i++) {
        int first = places(b, a[i]);
        for (int j = first; j >= 0 && j < bhi; j = b->next[j]) {
            if (j < blo) continue;
            int run = (j > blo ? row[j - 1] : 0) + 1;
            now[j] = run;
            if (run > size) size = run, besta = i - run + 1, bestb = j - run + 1;
        }
        for (int j = before; j >= 0 && j < bhi; j = b->next[j]) row[j] = 0;
        before = first;
        int *swap = row;
        row = now;
        now = swap;
    }
    for (int j = before; j >= 0 && j < bhi; j = b->next[j]) row[j] = 0;
    while (besta > alo && bestb > blo && a[besta - 1] == b->text[bestb - 1]) besta--, bestb--, size++;
    while (besta + size < ahi && bestb + size < bhi && a[besta + size] == b->text[bestb + size]) size++;
    *ai = besta;
    *bi = bestb;
    return size;
}

static int matches(const letter *a, const struct second *b, int alo, int ahi, int blo, int bhi) {
    int total = 0;
    while (alo < ahi && blo < bhi) {
        int i, j, size = longest(a, b, alo, ahi, blo, bhi, &i, &j);
        if (!size) break;
        total += size;
        /* The shorter side by recursion, so that its depth stays small. */
        if (i - alo < ahi - (i + size)) {
            total += matches(a, b, alo, i, blo, j);
            alo = i + size, blo = j + size;
        } else {
            total += matches(a, b, i + size, ahi, j + size, bhi);
            ahi = i, bhi = j;
        }
    }
    return total;
}

/* For each of `count` texts, one after the other in `texts`, the text from ends[k - 1] to ends[k]: the letters of it that
   match `second`. Returns 0 when memory is short. */
int viscodex_matching_letters(
    const letter *texts, const int64_t *ends, int64_t count, const letter *second, int64_t length, int64_t *out) {
    struct second b = {.text = second, .length = (int)length};
    if (!prepare(&b)) return 0;
    for (int64_t k = 0; k < count; k++) {
        int64_t begin = k ? ends[k - 1] : 0;
        out[k] = matches(texts + begin, &b, 0, (int)(ends[k] - begin), 0, (int)length);
    }
    free(b.slots);
    return 1;
}
