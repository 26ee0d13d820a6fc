// target[index] += source, where an index may occur many times: each place adds up its sources one
// after the other, in their order, as np.add.at does. So the sum has the same bits on every run, and
// NumPy's. Atomic additions would be done in the order in which threads happen to come.
//
// First the sources are sorted by the place that they go to. Source p for place k is the one number
// k * 2^32 + p, its key: no two keys are equal, so sorting them keeps the order of the sources.
// The twin is np.add.at; what starts these is nnlite/backend/cuda_scatter.py.

#define TILE 512

__device__ __forceinline__ int place_of(long long key) { return (int)(key >> 32); }

__device__ __forceinline__ int source_of(long long key) { return (int)(key & 0xffffffff); }

// The keys of the n places of index, sorted within each block's tile. A key's rank is the number of
// smaller ones. Places wrap around, as CuPy's do where it reads: nothing outside is ever written.
extern "C" __global__ void __launch_bounds__(TILE)
sort_tiles(const long long* index, long long* keys, int rows, int n) {
    __shared__ long long tile[TILE];
    const int i = thread_number(), t = threadIdx.x, first = i - t;
    long long mine = 0;
    if (i < n) {
        long long place = index[i] % rows;
        if (place < 0) place += rows;
        mine = (place << 32) + i;
        tile[t] = mine;
    }
    __syncthreads();
    if (i >= n) return;
    const int count = n - first < TILE ? n - first : TILE;
    int rank = 0;
    for (int k = 0; k < count; k++) rank += tile[k] < mine;
    keys[first + rank] = mine;
}

// Pairs of neighbouring sorted runs of `width` keys become one: a key moves by as many places as the
// other run of its pair has smaller keys, which a binary search finds.
extern "C" __global__ void merge_runs(const long long* from, long long* to, int width, int n) {
    const int i = thread_number();
    if (i >= n) return;
    const long long mine = from[i];
    const int run = i / width, inside = i - run * width, pair = (run - run % 2) * width;
    const int other = run % 2 ? pair : (n - pair > width ? pair + width : n);
    int low = other, high = n - other > width ? other + width : n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (from[middle] < mine)
            low = middle + 1;
        else
            high = middle;
    }
    to[pair + inside + (low - other)] = mine;
}

// target (A, rows, inner) += source (A, n, inner). The thread of a place's first source adds all of
// them; the others have nothing to do.
extern "C" __global__ void add_in_order(const long long* keys, const real* source, real* target,
                                        int rows, int inner, int n, int total) {
    const int i = thread_number();
    if (i >= total) return;
    const int column = i % inner, p = i / inner % n, a = i / inner / n;
    const int place = place_of(keys[p]);
    if (p > 0 && place_of(keys[p - 1]) == place) return;
    const int at = (a * rows + place) * inner + column;
    real sum = target[at];
    for (int q = p; q < n && place_of(keys[q]) == place; q++)
        sum += source[(a * n + source_of(keys[q])) * inner + column];
    target[at] = sum;
}
