// Functions of each element for itself. Each kernel's twin is the plain branch of the function of
// the same name in elementwise.py.

// max(x, 0); a comparison with NaN is false, so NaN stays.
extern "C" __global__ void relu(const real* x, real* y, int n) {
    const int i = thread_number();
    if (i < n) y[i] = x[i] <= 0 ? (real)0 : x[i];
}

// gy where y is above 0 or NaN, else 0.
extern "C" __global__ void relu_grad(const real* gy, const real* y, real* gx, int n) {
    const int i = thread_number();
    if (i < n) gx[i] = y[i] <= 0 ? (real)0 : gy[i];
}

// x where the mask holds, else 0: selected, so that an infinity or NaN leaves no trace.
extern "C" __global__ void keep(const real* x, const bool* mask, real* y, int n) {
    const int i = thread_number();
    if (i < n) y[i] = mask[i] ? x[i] : (real)0;
}

extern "C" __global__ void hyperbolic_tangent(const real* x, real* y, int n) {
    const int i = thread_number();
    if (i < n) y[i] = tanh(x[i]);
}

// gy * (1 - y^2)
extern "C" __global__ void tanh_grad(const real* gy, const real* y, real* gx, int n) {
    const int i = thread_number();
    if (i < n) gx[i] = gy[i] * (1 - y[i] * y[i]);
}

// 1 / (1 + exp(-x)), by exp of -|x| alone, which cannot overflow.
extern "C" __global__ void sigmoid(const real* x, real* y, int n) {
    const int i = thread_number();
    if (i >= n) return;
    const real e = exp(-fabs(x[i]));
    y[i] = (x[i] < 0 ? e : (real)1) / (1 + e);
}

// gy * y * (1 - y)
extern "C" __global__ void sigmoid_grad(const real* gy, const real* y, real* gx, int n) {
    const int i = thread_number();
    if (i < n) gx[i] = gy[i] * (y[i] * (1 - y[i]));
}

// (a - b) * scale, where scale is one number in device memory.
extern "C" __global__ void scaled_difference(const real* a, const real* b, const real* scale,
                                             real* y, int n) {
    const int i = thread_number();
    if (i < n) y[i] = (a[i] - b[i]) * scale[0];
}

// The sum of (a - b)^2 in two steps. In the first, each of gridDim.x blocks adds its share, every
// thread running through the numbers in steps of the whole grid, so that neighbours read
// neighbours. The sums are kept in double: adding 10^8 floats in float loses digits.
extern "C" __global__ void __launch_bounds__(256)
total_square(const real* a, const real* b, double* partial, int n) {
    double mine = 0;
    for (int i = thread_number(); i < n; i += gridDim.x * blockDim.x) {
        const double d = (double)a[i] - (double)b[i];
        mine += d * d;
    }
    const double sum = block_sum<256>(mine, threadIdx.x);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// In the second, one block adds the shares.
extern "C" __global__ void __launch_bounds__(256)
add_shares(const double* partial, real* y, int n) {
    double mine = 0;
    for (int i = threadIdx.x; i < n; i += 256) mine += partial[i];
    const double sum = block_sum<256>(mine, threadIdx.x);
    if (threadIdx.x == 0) y[0] = (real)sum;
}
