// Rows of a table, by their number. The twin is w[index]. The gradient is in scatter.cu.

// y[p] = w[index[p]]: (rows, width), (n / width,) -> (n / width, width). A number that names no row
// makes its row of y NaN, and is noted in `outside`, for the host to find when it waits for the device
// anyway.
extern "C" __global__ void take_rows(const real* w, const long long* index, real* y,
                                     long long* outside, int rows, int width, int n) {
    const int i = thread_number();
    if (i >= n) return;
    const int p = i / width, column = i - p * width;
    const long long row = index[p];
    const bool wrong = row < 0 || row >= rows;
    if (wrong && column == 0) {
        outside[0] = 1;
        outside[1] = row;
    }
    y[i] = wrong ? (real)0 * log((real)0) : w[(int)row * width + column];
}
