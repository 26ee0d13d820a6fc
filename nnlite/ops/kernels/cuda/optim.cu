// An optimizer's step over several parameters at once: one kernel, where a rule written with array
// functions starts a dozen for each parameter. The twins are the rules' _update methods.
//
// A kernel has ten slots, each for one parameter with its gradient and its state; the grid's blocks
// are dealt out to them in order. C has no way to pass a list of pointers by value but to write
// them down one by one, which these macros do: TEN(real*, x) is real* x0, ... real* x9.
#define TEN(type, a)                                                                           \
    type a##0, type a##1, type a##2, type a##3, type a##4, type a##5, type a##6, type a##7,    \
        type a##8, type a##9
#define PICK(slot, a)                                                                          \
    (slot == 0   ? a##0                                                                        \
     : slot == 1 ? a##1                                                                        \
     : slot == 2 ? a##2                                                                        \
     : slot == 3 ? a##3                                                                        \
     : slot == 4 ? a##4                                                                        \
     : slot == 5 ? a##5                                                                        \
     : slot == 6 ? a##6                                                                        \
     : slot == 7 ? a##7                                                                        \
     : slot == 8 ? a##8                                                                        \
                 : a##9)
#define PAST(end) ((int)blockIdx.x >= end)

// size: elements of each slot. end: the number of the first block behind each slot.
#define LAYOUT TEN(int, size), TEN(int, end)

// Which slot this block works on (`slot`), and which of its elements this thread does (`i`);
// threads beyond the end leave.
#define FIND_ELEMENT                                                                           \
    const int slot = PAST(end0) + PAST(end1) + PAST(end2) + PAST(end3) + PAST(end4) +          \
                     PAST(end5) + PAST(end6) + PAST(end7) + PAST(end8);                        \
    const int before = slot - 1;                                                               \
    const int first = slot == 0 ? 0 : PICK(before, end);                                       \
    const int i = ((int)blockIdx.x - first) * (int)blockDim.x + (int)threadIdx.x;              \
    if (i >= PICK(slot, size)) return;

// The gradient to go down.
__device__ real descent(real x, real g, int maximize, real weight_decay) {
    const real down = maximize ? -g : g;
    return weight_decay != 0 ? x * weight_decay + down : down;
}

// m moved towards g: exact at weight 0 and 1. rest is 1 - weight, from the host's double.
__device__ real lerp(real m, real g, real weight, real rest) {
    return weight < (real)0.5 ? m + (g - m) * weight : g - (g - m) * rest;
}

// -- SGD -----------------------------------------------------------------------------------------

// With momentum 0, b is not touched.
__device__ void sgd_element(real& x, real g, real& b, real lr, real momentum, real dampening,
                            real weight_decay, int nesterov, int maximize) {
    g = descent(x, g, maximize, weight_decay);
    if (momentum != 0) {
        b = b * momentum + g * (1 - dampening);
        g = nesterov ? g + momentum * b : b;
    }
    x -= g * lr;
}

extern "C" __global__ void sgd(TEN(real*, x), TEN(const real*, g), TEN(real*, b), LAYOUT, real lr,
                               real momentum, real dampening, real weight_decay, int nesterov,
                               int maximize) {
    FIND_ELEMENT
    sgd_element(PICK(slot, x)[i], PICK(slot, g)[i], PICK(slot, b)[i], lr, momentum, dampening,
                weight_decay, nesterov, maximize);
}

// The learning rate is numbers[0], in device memory: see dropout.cu on captured steps.
extern "C" __global__ void sgd_captured(TEN(real*, x), TEN(const real*, g), TEN(real*, b), LAYOUT,
                                        const double* numbers, real momentum, real dampening,
                                        real weight_decay, int nesterov, int maximize) {
    FIND_ELEMENT
    sgd_element(PICK(slot, x)[i], PICK(slot, g)[i], PICK(slot, b)[i], (real)numbers[0], momentum,
                dampening, weight_decay, nesterov, maximize);
}

// -- Adam and AdamW ------------------------------------------------------------------------------

// keep is 1 - weight, keep2 1 - weight2: how much of m and v stays.
// m / (sqrt(v) / c + eps) as m * c / (sqrt(v) + eps * c), with c = sqrt(1 - beta2^t): rate and
// small are lr * c / (1 - beta1^t) and eps * c, computed once and not by every thread.
// shrink: 1 - lr * weight_decay where the decay is decoupled, else 1.
__device__ void adam_element(real& x, real g, real& m, real& v, real& largest, real rate,
                             real small, real shrink, real weight, real keep, real weight2,
                             real keep2, real weight_decay, int amsgrad, int maximize) {
    const real old = x * shrink;
    g = descent(old, g, maximize, weight_decay);
    m = lerp(m, g, weight, keep);
    v = v * keep2 + g * g * weight2;
    real below = v;
    if (amsgrad) {
        if (v > largest || is_nan(v)) largest = v;
        below = largest;
    }
    x = old - m / (sqrt(below) + small) * rate;
}

extern "C" __global__ void adam(TEN(real*, x), TEN(const real*, g), TEN(real*, m), TEN(real*, v),
                                TEN(real*, largest), LAYOUT, real rate, real small, real shrink,
                                real weight, real keep, real weight2, real keep2,
                                real weight_decay, int amsgrad, int maximize) {
    FIND_ELEMENT
    adam_element(PICK(slot, x)[i], PICK(slot, g)[i], PICK(slot, m)[i], PICK(slot, v)[i],
                 PICK(slot, largest)[i], rate, small, shrink, weight, keep, weight2, keep2,
                 weight_decay, amsgrad, maximize);
}

// numbers = {lr, steps done, rate, small, shrink}; this kernel counts the step and fills the last.
extern "C" __global__ void adam_numbers(double* numbers, double beta1, double beta2, double eps,
                                        double decoupled_decay) {
    const double lr = numbers[0], t = numbers[1] + 1, c = sqrt(1 - pow(beta2, t));
    numbers[1] = t;
    numbers[2] = lr * c / (1 - pow(beta1, t));
    numbers[3] = eps * c;
    numbers[4] = 1 - lr * decoupled_decay;
}

extern "C" __global__ void adam_captured(TEN(real*, x), TEN(const real*, g), TEN(real*, m),
                                         TEN(real*, v), TEN(real*, largest), LAYOUT,
                                         const double* numbers, real weight, real keep,
                                         real weight2, real keep2, real weight_decay, int amsgrad,
                                         int maximize) {
    FIND_ELEMENT
    adam_element(PICK(slot, x)[i], PICK(slot, g)[i], PICK(slot, m)[i], PICK(slot, v)[i],
                 PICK(slot, largest)[i], (real)numbers[2], (real)numbers[3], (real)numbers[4], weight,
                 keep, weight2, keep2, weight_decay, amsgrad, maximize);
}

// -- RMSprop -------------------------------------------------------------------------------------

// weight is 1 - alpha. epsilon: the dtype's, the least share of v that v - a^2 may be.
__device__ void rmsprop_element(real& x, real g, real& v, real& a, real& b, real lr, real alpha,
                                real weight, real eps, real epsilon, real momentum,
                                real weight_decay, int centered, int maximize) {
    g = descent(x, g, maximize, weight_decay);
    v = v * alpha + g * g * weight;
    real variance = v;
    if (centered) {
        a = lerp(a, g, weight, alpha);
        variance = v - a * a;
        if (variance < v * epsilon) variance = v * epsilon;
    }
    real step = g / (sqrt(variance) + eps);
    if (momentum > 0) step = b = b * momentum + step;
    x -= step * lr;
}

extern "C" __global__ void rmsprop(TEN(real*, x), TEN(const real*, g), TEN(real*, v),
                                   TEN(real*, a), TEN(real*, b), LAYOUT, real lr, real alpha,
                                   real weight, real eps, real epsilon, real momentum,
                                   real weight_decay, int centered, int maximize) {
    FIND_ELEMENT
    rmsprop_element(PICK(slot, x)[i], PICK(slot, g)[i], PICK(slot, v)[i], PICK(slot, a)[i],
                    PICK(slot, b)[i], lr, alpha, weight, eps, epsilon, momentum, weight_decay,
                    centered, maximize);
}

extern "C" __global__ void rmsprop_captured(TEN(real*, x), TEN(const real*, g), TEN(real*, v),
                                            TEN(real*, a), TEN(real*, b), LAYOUT,
                                            const double* numbers, real alpha, real weight,
                                            real eps, real epsilon, real momentum,
                                            real weight_decay, int centered, int maximize) {
    FIND_ELEMENT
    rmsprop_element(PICK(slot, x)[i], PICK(slot, g)[i], PICK(slot, v)[i], PICK(slot, a)[i],
                    PICK(slot, b)[i], (real)numbers[0], alpha, weight, eps, epsilon, momentum,
                    weight_decay, centered, maximize);
}
