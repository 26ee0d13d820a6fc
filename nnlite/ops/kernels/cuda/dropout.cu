// Dropout by counter-based random numbers: number r is a function of the seed and of r alone, so no
// thread waits for another, nothing is stored, and the backward computes the same numbers again.
// The twin is nnlite/ops/kernels/philox.py.
//
// Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011; Philox4x32 with 10 rounds.

struct Words {
    unsigned w[4];
};

// Four random words from a counter of 128 bits, of which the upper half is 0, and the key.
__device__ Words philox(unsigned long long counter, unsigned long long key) {
    unsigned a = (unsigned)counter, b = (unsigned)(counter >> 32), c = 0, d = 0;
    unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const unsigned long long p = 0xD2511F53ull * a, q = 0xCD9E8D57ull * c;
        a = (unsigned)(q >> 32) ^ b ^ k0;
        b = (unsigned)q;
        c = (unsigned)(p >> 32) ^ d ^ k1;
        d = (unsigned)p;
        k0 += 0x9E3779B9u;  // the golden ratio
        k1 += 0xBB67AE85u;  // the root of 3, less 1
    }
    return {{a, b, c, d}};
}

// x * scale where a number is below `kept` of 2^32, else 0: selected, so that NaN leaves no trace.
// A thread draws four numbers at once, for four elements.
__device__ void drop(const real* x, real* y, unsigned long long seed, unsigned long long offset,
                     long long kept, real scale, int n) {
    const int t = thread_number();
    if (t >= (n + 3) / 4) return;
    const Words drawn = philox(offset + t, seed);
    for (int j = 0; j < 4 && 4 * t + j < n; j++)
        y[4 * t + j] = (long long)drawn.w[j] < kept ? x[4 * t + j] * scale : (real)0;
}

// The same with one number for `run` neighbouring elements, the channels of dropout2d.
__device__ void drop_runs(const real* x, real* y, unsigned long long seed,
                          unsigned long long offset, long long kept, real scale, int run, int n) {
    const int i = thread_number();
    if (i >= n) return;
    const int r = i / run;
    const unsigned drawn = philox(offset + r / 4, seed).w[r % 4];
    y[i] = (long long)drawn < kept ? x[i] * scale : (real)0;
}

extern "C" __global__ void dropout(const real* x, real* y, long long seed, long long offset,
                                   long long kept, real scale, int n) {
    drop(x, y, seed, offset, kept, scale, n);
}

extern "C" __global__ void dropout_runs(const real* x, real* y, long long seed, long long offset,
                                        long long kept, real scale, int run, int n) {
    drop_runs(x, y, seed, offset, kept, scale, run, n);
}

// The same with seed and offset in device memory, state = {seed, offset}: a captured step runs
// again with the same arguments, but what they point to may change.
extern "C" __global__ void dropout_captured(const real* x, real* y, const long long* state,
                                            long long offset, long long kept, real scale, int n) {
    drop(x, y, state[0], state[1] + offset, kept, scale, n);
}

extern "C" __global__ void dropout_runs_captured(const real* x, real* y, const long long* state,
                                                 long long offset, long long kept, real scale,
                                                 int run, int n) {
    drop_runs(x, y, state[0], state[1] + offset, kept, scale, run, n);
}

// The last kernel of a captured step: the next one starts behind its numbers.
extern "C" __global__ void advance(long long* state, long long count) { state[1] += count; }
