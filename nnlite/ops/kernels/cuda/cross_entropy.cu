// Softmax cross-entropy from scores x (N, C) and classes t (N,): the loss
//     sum over n of  log(sum_c exp(x[n,c])) - x[n,t_n]      over the number of samples, if a mean
// and, since it is nearly the same work, its derivative d[n,c] = softmax(x[n])[c] - (c == t_n).
// Samples of the class `ignored` count for nothing. A class outside 0 ... C - 1 makes the loss and
// its row NaN and is noted in `outside`, for the host to find when it waits for the device anyway.
// The twin is the op CrossEntropy in nnlite/ops/cross_entropy.py.

// What is written for one sample once its largest score and sum of exponentials are known; threads
// first, first + step, ... of C share the work. Returns the sample's loss.
__device__ double finish_row(const real* x, long long t, long long ignored, real largest, real sum,
                             real* d, long long* outside, int C, int first, int step) {
    const bool skip = t == ignored;
    const bool wrong = !skip && (t < 0 || t >= C);
    const real nan = (real)0 * log((real)0);
    for (int c = first; c < C; c += step) {
        const real p = exp(x[c] - largest) / sum;
        // 0 * p: a NaN score stays NaN, as everywhere
        d[c] = skip ? (real)0 * p : wrong ? nan : c == t ? p - 1 : p;
    }
    if (wrong && first == 0) {
        outside[0] = 1;
        outside[1] = t;
    }
    return skip ? 0 : wrong ? nan : (double)(log(sum) - (x[t] - largest));
}

// Few classes: a thread for each sample. shares: for each block its sum of the losses and its
// number of samples.
extern "C" __global__ void __launch_bounds__(256)
few_classes(const real* x, const long long* labels, long long ignored, real* d, double* shares,
            long long* outside, int N, int C) {
    const int n = thread_number();
    double loss = 0, count = 0;
    if (n < N) {
        const real* row = x + n * C;
        real largest = row[0], sum = 0;
        for (int c = 1; c < C; c++)
            // in this order NaN wins, and stays
            if (!(row[c] <= largest)) largest = row[c];
        for (int c = 0; c < C; c++) sum += exp(row[c] - largest);
        loss = finish_row(row, labels[n], ignored, largest, sum, d + n * C, outside, C, 0, 1);
        count = labels[n] != ignored;
    }
    loss = block_sum<256>(loss, threadIdx.x);
    count = block_sum<256>(count, threadIdx.x);
    if (threadIdx.x == 0) {
        shares[2 * blockIdx.x] = loss;
        shares[2 * blockIdx.x + 1] = count;
    }
}

// Many classes: a block for each sample.
extern "C" __global__ void __launch_bounds__(256)
many_classes(const real* x, const long long* labels, long long ignored, real* d, double* shares,
             long long* outside, int N, int C) {
    __shared__ real largest_of[256];
    const int n = blockIdx.x, t = threadIdx.x;
    const real* row = x + n * C;
    real largest = row[t < C ? t : 0];
    for (int c = t; c < C; c += 256)
        if (!(row[c] <= largest)) largest = row[c];
    largest_of[t] = largest;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (t < half && !(largest_of[t + half] <= largest_of[t]))
            largest_of[t] = largest_of[t + half];
        __syncthreads();
    }
    largest = largest_of[0];
    double sum = 0;
    for (int c = t; c < C; c += 256) sum += exp(row[c] - largest);
    __shared__ real whole;
    sum = block_sum<256>(sum, t);
    if (t == 0) whole = (real)sum;
    __syncthreads();
    const double loss =
        finish_row(row, labels[n], ignored, largest, whole, d + n * C, outside, C, t, 256);
    if (t == 0) {
        shares[2 * n] = loss;
        shares[2 * n + 1] = labels[n] != ignored;
    }
}

// One block adds the shares. y: the loss; factor: by what a sample's loss was multiplied in it, 0
// where there is no sample.
extern "C" __global__ void __launch_bounds__(256)
reduce_loss(const double* shares, int mean, real* y, real* factor, int blocks) {
    double loss = 0, count = 0;
    for (int i = threadIdx.x; i < blocks; i += 256) {
        loss += shares[2 * i];
        count += shares[2 * i + 1];
    }
    loss = block_sum<256>(loss, threadIdx.x);
    count = block_sum<256>(count, threadIdx.x);
    if (threadIdx.x != 0) return;
    y[0] = (real)(mean ? loss / count : loss);
    factor[0] = (real)(mean ? (count > 0 ? 1 / count : 0) : 1);
}

// d * gy * factor, both one number in device memory: the gradient.
extern "C" __global__ void loss_grad(const real* d, const real* gy, const real* factor, real* gx,
                                     int n) {
    const int i = thread_number();
    if (i < n) gx[i] = d[i] * (gy[0] * factor[0]);
}
