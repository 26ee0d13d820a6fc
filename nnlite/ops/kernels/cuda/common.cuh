// What stands before every source of this folder. A source is compiled once for each dtype: REAL
// is float or double.
//
// One thread computes one element, or one small tile, and finds out from its number which. CUDA
// starts threads in blocks of `blockDim` and blocks in a grid of `gridDim`; the threads of a block
// run on one multiprocessor and can share memory and wait for each other, blocks cannot.

typedef REAL real;

// The number of this thread in a grid of one dimension: the element that it works on. The last
// block may reach beyond the end, so each kernel asks `i < n` first.
__device__ __forceinline__ int thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Numbers that are not a number differ from themselves.
__device__ __forceinline__ bool is_nan(real x) { return x != x; }

// Divides by a number that is the same in all threads. A GPU has no instruction for whole-number
// division, which takes some thirty others; multiplying by a magic number takes three. Exact for
// 0 <= p < 2^31 and 1 <= d < 2^31.
// Source: T. Granlund and P. Montgomery, "Division by invariant integers using multiplication",
// PLDI 1994, figure 4.1.
struct Divisor {
    unsigned magic, shift;
    int d;

    __device__ explicit Divisor(int divisor) : d(divisor) {
        shift = 0;
        while ((1u << shift) < (unsigned)d) shift++;
        const unsigned long long over = (1ull << shift) - (unsigned)d;
        magic = (unsigned)((over << 32) / (unsigned)d + 1);
    }
    __device__ int quotient(int p) const {
        return (int)((__umulhi((unsigned)p, magic) + (unsigned)p) >> shift);
    }
};

// The sum of one number from each thread of a block, in thread 0. Pairs are added, then pairs of
// pairs: the same order each time, so the same bits each time. THREADS is a power of two.
template <int THREADS>
__device__ double block_sum(double mine, int thread) {
    __shared__ double sums[THREADS];
    sums[thread] = mine;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (thread < half) sums[thread] += sums[thread + half];
        __syncthreads();
    }
    // only thread 0 writes there, so the memory may be used again at once
    return thread == 0 ? sums[0] : 0;
}
