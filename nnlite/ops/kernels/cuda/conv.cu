// Convolution and its two gradients, for any stride, padding, dilation and groups. The twins are
// the functions of im2col.py.
//
// All three are matrix products, sums over k of a[m,k] * b[k,n], of which one matrix or both are
// not there: im2col would write each pixel kh * kw times. Here its elements are looked up in the
// image when they are needed.
//
//                     rows m          columns n           summed over k
//   forward           filters o       windows             c, i, j      w[o, k] * x at window n
//   input gradient    channels c      pixels              o, i, j      w[k, m] * gy that saw pixel n
//   weight gradient   filters o       c, i, j             windows      gy[m, k] * x at window k
//
// A block of threads computes a tile of the result, BM x BN. In each round it loads BK columns of a
// and BK rows of b into shared memory, from where each thread multiplies a tile of its own,
// TM x TN, held in registers: so a number that was read once is used BM or BN times.
// Source: the scheme of V. Volkov and J. Demmel, "Benchmarking GPUs to tune dense linear algebra",
// 2008; without the matrix im2col: S. Chetlur et al., "cuDNN: efficient primitives for deep
// learning", 2014.
//
// Nothing is added atomically: the same inputs give the same bits.

// Sizes of one group, and where the windows lie (windows.py).
#define SHAPE                                                                                  \
    int images, int groups, int C, int O, int H, int W, int oh, int ow, int kh, int kw,        \
        int sh, int sw, int ph, int pw, int dh, int dw
#define SHAPE_VALUES                                                                           \
    images, groups, C, O, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw

struct Shape {
    int images, groups, C, O, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
};

// k = (channel * kh + i) * kw + j taken apart.
struct Tap {
    int channel, i, j;
};

struct Taps {
    Divisor area, width;
    __device__ Taps(int kh, int kw) : area(kh * kw), width(kw) {}
    __device__ Tap operator()(int k) const {
        const int channel = area.quotient(k), rest = k - channel * area.d;
        const int i = width.quotient(rest);
        return {channel, i, rest - i * width.d};
    }
};

template <int BM, int BN, int BK>
struct Tile {
    // one column more than needed: threads that write below each other use different memory banks
    real a[BK][BM + 1], b[BK][BN + 1];
};

// After so many rounds the sums are put by: adding thousands of numbers to one float loses digits.
constexpr int ROUNDS = 64;

// One tile of the product, for k in [from, to).
template <int BM, int BN, int BK, int TM, int TN, class Problem>
__device__ void multiply(Problem& problem, int M, int N, int from, int to) {
    constexpr int ACROSS = BN / TN;
    __shared__ Tile<BM, BN, BK> tile;
    const int row = threadIdx.x / ACROSS * TM, column = threadIdx.x % ACROSS;
    const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    real sum[TM][TN] = {}, total[TM][TN] = {};
    int rounds = 0;
    problem.start(m0, n0);
    for (int k0 = from; k0 < to; k0 += BK) {
        problem.load(tile, m0, n0, k0, to);
        __syncthreads();
        for (int k = 0; k < BK; k++) {
            real a[TM], b[TN];
            for (int i = 0; i < TM; i++) a[i] = tile.a[k][row + i];
            for (int j = 0; j < TN; j++) b[j] = tile.b[k][column + j * ACROSS];
            for (int i = 0; i < TM; i++)
                for (int j = 0; j < TN; j++) sum[i][j] += a[i] * b[j];
        }
        __syncthreads();  // before the next round overwrites the tile
        if (++rounds % ROUNDS == 0)
            for (int i = 0; i < TM; i++)
                for (int j = 0; j < TN; j++) {
                    total[i][j] += sum[i][j];
                    sum[i][j] = 0;
                }
    }
    for (int j = 0; j < TN; j++)
        for (int i = 0; i < TM; i++) {
            const int m = m0 + row + i, n = n0 + column + j * ACROSS;
            if (m < M && n < N) problem.store(m, n, total[i][j] + sum[i][j]);
        }
}

// -- forward and input gradient: a is the weight, each thread loads the same columns of b again ---

// Problem is one of the two structs below: its columns are windows or pixels.
template <int BM, int BN, int BK, int THREADS, class Problem>
struct ByColumns : Problem {
    static constexpr int EACH = BN > THREADS ? BN / THREADS : 1;  // columns of one thread
    static constexpr int STEP = BN > THREADS ? 1 : THREADS / BN;  // threads on one column
    typename Problem::Column columns[EACH];

    __device__ explicit ByColumns(const Problem& problem) : Problem(problem) {}

    __device__ void start(int m0, int n0) {
        for (int c = 0; c < EACH; c++)
            columns[c] = this->column(n0 + (int)threadIdx.x % BN + c * THREADS);
    }
    __device__ void load(Tile<BM, BN, BK>& tile, int m0, int n0, int k0, int to) {
        for (int e = threadIdx.x; e < BM * BK; e += THREADS) {
            const int k = e % BK, m = e / BK;
            tile.a[k][m] = m0 + m < this->M && k0 + k < to ? this->weight(m0 + m, k0 + k) : (real)0;
        }
        for (int c = 0; c < EACH; c++)
            for (int k = (int)threadIdx.x / BN; k < BK; k += STEP)
                tile.b[k][(int)threadIdx.x % BN + c * THREADS] =
                    columns[c].image && k0 + k < to ? this->seen(columns[c], k0 + k) : (real)0;
    }
};

struct Forward {
    const real *x, *w, *bias;
    real* y;
    Shape s;
    int group, M, N, K;
    Taps taps;
    Divisor windows, width;

    // A window: its image, and the pixel at its first place.
    struct Column {
        const real* image;
        int top, left;
    };

    __device__ Forward(const real* x, const real* w, const real* bias, real* y, const Shape& s)
        : x(x), w(w), bias(bias), y(y), s(s), group(blockIdx.z), M(s.O),
          N(s.images * s.oh * s.ow), K(s.C * s.kh * s.kw), taps(s.kh, s.kw), windows(s.oh * s.ow),
          width(s.ow) {}

    __device__ Column column(int n) const {
        if (n >= N) return {nullptr, 0, 0};
        const int image = windows.quotient(n), rest = n - image * windows.d;
        const int row = width.quotient(rest), col = rest - row * s.ow;
        return {x + (image * s.groups + group) * s.C * s.H * s.W, row * s.sh - s.ph,
                col * s.sw - s.pw};
    }
    __device__ real weight(int m, int k) const { return w[(group * s.O + m) * K + k]; }
    __device__ real seen(const Column& at, int k) const {
        const Tap tap = taps(k);
        const int row = at.top + tap.i * s.dh, col = at.left + tap.j * s.dw;
        if (row < 0 || row >= s.H || col < 0 || col >= s.W) return 0;
        return at.image[(tap.channel * s.H + row) * s.W + col];
    }
    __device__ void store(int m, int n, real sum) const {
        const int image = windows.quotient(n), filter = group * s.O + m;
        y[(image * s.groups * s.O + filter) * windows.d + n - image * windows.d] =
            bias ? sum + bias[filter] : sum;
    }
};

struct InputGrad {
    const real *gy, *w;
    real* gx;
    Shape s;
    int group, M, N, K;
    Taps taps;
    Divisor pixels, width, down, right;

    // A pixel: its image's gradients, and where it lies in the padded image.
    struct Column {
        const real* image;
        int row, col;
    };

    __device__ InputGrad(const real* gy, const real* w, real* gx, const Shape& s)
        : gy(gy), w(w), gx(gx), s(s), group(blockIdx.z), M(s.C), N(s.images * s.H * s.W),
          K(s.O * s.kh * s.kw), taps(s.kh, s.kw), pixels(s.H * s.W), width(s.W), down(s.sh),
          right(s.sw) {}

    __device__ Column column(int n) const {
        if (n >= N) return {nullptr, 0, 0};
        const int image = pixels.quotient(n), rest = n - image * pixels.d;
        const int row = width.quotient(rest), col = rest - row * s.W;
        return {gy + (image * s.groups + group) * s.O * s.oh * s.ow, row + s.ph, col + s.pw};
    }
    __device__ real weight(int m, int k) const {
        const int filter = taps.area.quotient(k);
        return w[((group * s.O + filter) * s.C + m) * taps.area.d + k - filter * taps.area.d];
    }
    // The gradient of the window that saw the pixel at place (i, j), if there is one.
    __device__ real seen(const Column& at, int k) const {
        const Tap tap = taps(k);
        const int top = at.row - tap.i * s.dh, left = at.col - tap.j * s.dw;
        if (top < 0 || left < 0) return 0;
        const int row = down.quotient(top), col = right.quotient(left);
        if (row * s.sh != top || col * s.sw != left || row >= s.oh || col >= s.ow) return 0;
        return at.image[(tap.channel * s.oh + row) * s.ow + col];
    }
    __device__ void store(int m, int n, real sum) const {
        const int image = pixels.quotient(n);
        gx[((image * s.groups + group) * s.C + m) * pixels.d + n - image * pixels.d] = sum;
    }
};

template <int BM, int BN, int TM, int TN>
__device__ void forward(const real* x, const real* w, int has_bias, const real* bias, real* y,
                        SHAPE) {
    const Forward problem(x, w, has_bias ? bias : nullptr, y, Shape{SHAPE_VALUES});
    ByColumns<BM, BN, 8, (BM / TM) * (BN / TN), Forward> loader(problem);
    multiply<BM, BN, 8, TM, TN>(loader, problem.M, problem.N, 0, problem.K);
}

template <int BM, int BN, int TM, int TN>
__device__ void input_grad(const real* gy, const real* w, real* gx, SHAPE) {
    const InputGrad problem(gy, w, gx, Shape{SHAPE_VALUES});
    ByColumns<BM, BN, 8, (BM / TM) * (BN / TN), InputGrad> loader(problem);
    multiply<BM, BN, 8, TM, TN>(loader, problem.M, problem.N, 0, problem.K);
}

// The number in a name is BM: the smallest that holds all rows wastes the least.
#define FORWARD const real *x, const real *w, int has_bias, const real *bias, real *y, SHAPE
#define FORWARD_VALUES x, w, has_bias, bias, y, SHAPE_VALUES
#define INPUT_GRAD const real *gy, const real *w, real *gx, SHAPE
#define INPUT_GRAD_VALUES gy, w, gx, SHAPE_VALUES

extern "C" __global__ void __launch_bounds__(128) forward_8(FORWARD) {
    forward<8, 256, 4, 4>(FORWARD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) forward_16(FORWARD) {
    forward<16, 128, 4, 4>(FORWARD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) forward_32(FORWARD) {
    forward<32, 128, 4, 8>(FORWARD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) forward_64(FORWARD) {
    forward<64, 64, 8, 4>(FORWARD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) input_grad_8(INPUT_GRAD) {
    input_grad<8, 256, 4, 4>(INPUT_GRAD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) input_grad_16(INPUT_GRAD) {
    input_grad<16, 128, 4, 4>(INPUT_GRAD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) input_grad_32(INPUT_GRAD) {
    input_grad<32, 128, 4, 8>(INPUT_GRAD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) input_grad_64(INPUT_GRAD) {
    input_grad<64, 64, 8, 4>(INPUT_GRAD_VALUES);
}

// -- weight gradient: few results, each a sum over all windows of all images ---------------------
//
// The sum is split: the z-th block of the grid takes `length` windows and writes a result of its
// own, (split, O, C * kh * kw), and sum_rows adds these up.

template <int BM, int BN, int BK, int THREADS>
struct WeightGrad {
    const real *x, *gy;
    real* partial;
    Shape s;
    int group, split, M, N;
    Taps taps;
    Divisor windows, width;

    __device__ WeightGrad(const real* x, const real* gy, real* partial, const Shape& s)
        : x(x), gy(gy), partial(partial), s(s), group(blockIdx.z % s.groups),
          split(blockIdx.z / s.groups), M(s.O), N(s.C * s.kh * s.kw), taps(s.kh, s.kw),
          windows(s.oh * s.ow), width(s.ow) {}

    __device__ void start(int m0, int n0) const {}

    // Neighbouring threads load neighbouring windows, which lie side by side in memory.
    __device__ void load(Tile<BM, BN, BK>& tile, int m0, int n0, int k0, int to) const {
        const int k = threadIdx.x % BK;
        const bool valid = k0 + k < to;
        const int image = valid ? windows.quotient(k0 + k) : 0;
        const int at = valid ? k0 + k - image * windows.d : 0;
        const int row = width.quotient(at), top = row * s.sh - s.ph;
        const int left = (at - row * s.ow) * s.sw - s.pw;
        const real* grad = gy + (image * s.groups + group) * s.O * windows.d + at;
        const real* pixels = x + (image * s.groups + group) * s.C * s.H * s.W;
        for (int m = (int)threadIdx.x / BK; m < BM; m += THREADS / BK)
            tile.a[k][m] = valid && m0 + m < M ? grad[(m0 + m) * windows.d] : (real)0;
        for (int n = (int)threadIdx.x / BK; n < BN; n += THREADS / BK) {
            real seen = 0;
            if (valid && n0 + n < N) {
                const Tap tap = taps(n0 + n);
                const int i = top + tap.i * s.dh, j = left + tap.j * s.dw;
                if (i >= 0 && i < s.H && j >= 0 && j < s.W)
                    seen = pixels[(tap.channel * s.H + i) * s.W + j];
            }
            tile.b[k][n] = seen;
        }
    }
    __device__ void store(int m, int n, real sum) const {
        partial[((split * s.groups + group) * s.O + m) * N + n] = sum;
    }
};

template <int BM, int BN, int TM, int TN>
__device__ void weight_grad(const real* x, const real* gy, real* partial, int length, SHAPE) {
    WeightGrad<BM, BN, 16, (BM / TM) * (BN / TN)> problem(x, gy, partial, Shape{SHAPE_VALUES});
    const int all = images * oh * ow, from = problem.split * length;
    const int to = length < all - from ? from + length : all;
    multiply<BM, BN, 16, TM, TN>(problem, problem.M, problem.N, from, to);
}

#define WEIGHT_GRAD const real *x, const real *gy, real *partial, int length, SHAPE
#define WEIGHT_GRAD_VALUES x, gy, partial, length, SHAPE_VALUES

extern "C" __global__ void __launch_bounds__(64) weight_grad_8(WEIGHT_GRAD) {
    weight_grad<8, 32, 2, 2>(WEIGHT_GRAD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) weight_grad_16(WEIGHT_GRAD) {
    weight_grad<16, 64, 4, 2>(WEIGHT_GRAD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) weight_grad_32(WEIGHT_GRAD) {
    weight_grad<32, 32, 4, 2>(WEIGHT_GRAD_VALUES);
}
extern "C" __global__ void __launch_bounds__(128) weight_grad_64(WEIGHT_GRAD) {
    weight_grad<64, 64, 8, 4>(WEIGHT_GRAD_VALUES);
}

// y[j] = the sum over i of x[i, j], x of shape (rows, n). A block has 32 columns; 8 threads share a
// column, and the first of them adds their sums.
extern "C" __global__ void __launch_bounds__(256) sum_rows(const real* x, real* y, int rows, int n) {
    __shared__ double sums[8][32];
    const int j = blockIdx.x * 32 + threadIdx.x;
    double sum = 0;
    if (j < n)
        for (int i = threadIdx.y; i < rows; i += 8) sum += x[i * n + j];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || j >= n) return;
    for (int i = 1; i < 8; i++) sum += sums[i][threadIdx.x];
    y[j] = (real)sum;
}
