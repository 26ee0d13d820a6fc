// Pooling. The images are planes of H x W pixels, one for each image and channel; a window is
// described as in windows.py. Each kernel's twin is the function of the same name in pooling.py.
//
// Every kernel gathers: a thread writes one number, and reads all that goes into it. So no two
// threads write to one place, and a result never depends on who was first.

// Where the windows lie, in rows and columns; the last arguments of each kernel.
#define WINDOWS                                                                                \
    int H, int W, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int dh, int dw

// A place among the pixels or the windows: which plane, row and column element i is.
struct Spot {
    int plane, row, column;
    __device__ Spot(int i, int rows, int columns)
        : plane(i / (rows * columns)), row(i / columns % rows), column(i % columns) {}
};

// y: the largest number of each window, NaN where there is one. place: which of its kh * kw places
// holds it, the first of several; of NaNs the last, as in PyTorch.
template <class Place, bool WITH_PLACE>
__device__ void pool_max(const real* x, real* y, Place* places, int n, WINDOWS) {
    const int o = thread_number();
    if (o >= n) return;
    const Spot at(o, oh, ow);
    const real* plane = x + at.plane * H * W;
    real best = log((real)0);  // -infinity
    int place = -1;
    for (int i = 0; i < kh; i++) {
        const int row = at.row * sh - ph + i * dh;
        if (row < 0 || row >= H) continue;
        for (int j = 0; j < kw; j++) {
            const int column = at.column * sw - pw + j * dw;
            if (column < 0 || column >= W) continue;
            const real seen = plane[row * W + column];
            if (place < 0 || seen > best || is_nan(seen)) {
                best = seen;
                place = i * kw + j;
            }
        }
    }
    y[o] = best;
    if (WITH_PLACE) places[o] = (Place)(place < 0 ? 0 : place);
}

extern "C" __global__ void window_max(const real* x, real* y, int n, WINDOWS) {
    pool_max<unsigned char, false>(x, y, (unsigned char*)0, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw,
                                   dh, dw);
}

// One byte for a place, where the window has 256 at most.
extern "C" __global__ void max_and_place_uint8(const real* x, real* y, unsigned char* place, int n,
                                               WINDOWS) {
    pool_max<unsigned char, true>(x, y, place, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw);
}

extern "C" __global__ void max_and_place_int64(const real* x, real* y, long long* place, int n,
                                               WINDOWS) {
    pool_max<long long, true>(x, y, place, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw);
}

// The windows that have a pixel in sight, along one axis: window o sees pixel p at place i where
// o * stride + i * dilation == p + padding. Returns o, or -1 where there is none.
__device__ int window_at(int p, int i, int stride, int padding, int dilation, int out) {
    const int start = p + padding - i * dilation;
    if (start < 0 || start % stride != 0) return -1;
    const int o = start / stride;
    return o < out ? o : -1;
}

// Each window's number at the pixel of its place: a pixel adds up those windows that chose it.
template <class Place>
__device__ void scatter_to_places(const real* gy, const Place* place, real* gx, int n, WINDOWS) {
    const int p = thread_number();
    if (p >= n) return;
    const Spot at(p, H, W);
    const int first = at.plane * oh * ow;
    real sum = 0;
    for (int i = 0; i < kh; i++) {
        const int row = window_at(at.row, i, sh, ph, dh, oh);
        if (row < 0) continue;
        for (int j = 0; j < kw; j++) {
            const int column = window_at(at.column, j, sw, pw, dw, ow);
            if (column < 0) continue;
            const int o = first + row * ow + column;
            // selected, not multiplied by 0: an infinite gradient stays at its pixel
            if (place[o] == (Place)(i * kw + j)) sum += gy[o];
        }
    }
    gx[p] = sum;
}

extern "C" __global__ void put_at_places_uint8(const real* gy, const unsigned char* place, real* gx,
                                               int n, WINDOWS) {
    scatter_to_places(gy, place, gx, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw);
}

extern "C" __global__ void put_at_places_int64(const real* gy, const long long* place, real* gx,
                                               int n, WINDOWS) {
    scatter_to_places(gy, place, gx, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw);
}

// The pixel at each window's place; 0 where that lies outside the image.
template <class Place>
__device__ void gather_from_places(const real* x, const Place* place, real* y, int n, WINDOWS) {
    const int o = thread_number();
    if (o >= n) return;
    const Spot at(o, oh, ow);
    const int row = at.row * sh - ph + (int)place[o] / kw * dh;
    const int column = at.column * sw - pw + (int)place[o] % kw * dw;
    const bool inside = row >= 0 && row < H && column >= 0 && column < W;
    y[o] = inside ? x[(at.plane * H + row) * W + column] : (real)0;
}

extern "C" __global__ void take_at_places_uint8(const real* x, const unsigned char* place, real* y,
                                                int n, WINDOWS) {
    gather_from_places(x, place, y, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw);
}

extern "C" __global__ void take_at_places_int64(const real* x, const long long* place, real* y,
                                                int n, WINDOWS) {
    gather_from_places(x, place, y, n, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw);
}

// How many cells of a window count, along one axis: those of the image, and with_padding those of the
// padding; what ceil_mode lets a window cover beyond both counts never.
__device__ int cells(int start, int k, int size, int padding, bool with_padding) {
    const int last = with_padding ? size + padding : size;
    const int end = start + k < last ? start + k : last;
    return end - (with_padding || start > 0 ? start : 0);
}

// By what a window's sum is divided: how many of its cells count, or one number for all.
enum { BY_NUMBER, BY_CELLS, BY_CELLS_OF_THE_IMAGE };

__device__ real divisor_of(int row, int column, int kind, real number, WINDOWS) {
    if (kind == BY_NUMBER) return number;
    const bool padding = kind == BY_CELLS;
    return (real)(cells(row * sh - ph, kh, H, ph, padding) *
                  cells(column * sw - pw, kw, W, pw, padding));
}

// The sum over each window divided by its divisor.
extern "C" __global__ void window_mean(const real* x, int kind, real divisor, real* y, int n,
                                       WINDOWS) {
    const int o = thread_number();
    if (o >= n) return;
    const Spot at(o, oh, ow);
    const real* plane = x + at.plane * H * W;
    real sum = 0;
    for (int i = 0; i < kh; i++) {
        const int row = at.row * sh - ph + i * dh;
        if (row < 0 || row >= H) continue;
        for (int j = 0; j < kw; j++) {
            const int column = at.column * sw - pw + j * dw;
            if (column >= 0 && column < W) sum += plane[row * W + column];
        }
    }
    y[o] = sum / divisor_of(at.row, at.column, kind, divisor, H, W, oh, ow, kh, kw, sh, sw, ph, pw,
                            dh, dw);
}

// Its adjoint: each window's number, divided, added to all its pixels.
extern "C" __global__ void spread_mean(const real* gy, int kind, real divisor, real* gx, int n,
                                       WINDOWS) {
    const int p = thread_number();
    if (p >= n) return;
    const Spot at(p, H, W);
    const int first = at.plane * oh * ow;
    real sum = 0;
    for (int i = 0; i < kh; i++) {
        const int row = window_at(at.row, i, sh, ph, dh, oh);
        if (row < 0) continue;
        for (int j = 0; j < kw; j++) {
            const int column = window_at(at.column, j, sw, pw, dw, ow);
            if (column < 0) continue;
            sum += gy[first + row * ow + column] /
                   divisor_of(row, column, kind, divisor, H, W, oh, ow, kh, kw, sh, sw, ph, pw, dh,
                              dw);
        }
    }
    gx[p] = sum;
}
