// Batches of a data set that lies on the device: images as bytes, and an order of the samples.
// The twins are in gather.py.

// y[b, c, p] = (images[order[from + b], c, p] * scale - mean[c]) / std[c]: the images of a batch,
// normalized. from is read from device memory, so that a captured step can go on in the order.
extern "C" __global__ void gather_images(const unsigned char* images, const long long* order,
                                         const long long* from, real scale, const real* mean,
                                         const real* std, real* y, int channels, int pixels,
                                         int n) {
    const int i = thread_number();
    if (i >= n) return;
    const int b = i / (channels * pixels), rest = i - b * (channels * pixels), c = rest / pixels;
    const long long sample = order[from[0] + b];
    y[i] = (images[sample * channels * pixels + rest] * scale - mean[c]) / std[c];
}

// y[b] = labels[order[from + b]]
extern "C" __global__ void gather_labels(const long long* labels, const long long* order,
                                         const long long* from, long long* y, int n) {
    const int b = thread_number();
    if (b < n) y[b] = labels[order[from[0] + b]];
}
