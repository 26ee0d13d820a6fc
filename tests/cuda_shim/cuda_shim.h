// CUDA's words in ordinary C++, so that g++ compiles the kernels and a CPU runs them.
//
// A block's threads are fibers of one thread: each runs until it meets __syncthreads() or ends,
// then the next one does. Blocks follow one another. So a run is repeatable, and atomics are plain
// additions. What a GPU leaves undefined is an error here where it can be seen: a barrier that only
// some of a block's threads reach.
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <ucontext.h>

#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
};

static dim3 gridDim, blockDim, blockIdx, threadIdx;

static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }

template <class T>
static inline T atomicAdd(T* where, T value) {
    T old = *where;
    *where += value;
    return old;
}

template <class T>
static inline T atomicMax(T* where, T value) {
    T old = *where;
    if (value > old) *where = value;
    return old;
}

namespace shim {

struct Fiber {
    jmp_buf at;
    bool started, done;
};

constexpr size_t STACK = 1 << 16;

static std::vector<Fiber> fibers;
static std::vector<char> stacks;
static jmp_buf scheduler;
static ucontext_t first;  // where a fiber that starts came from
static unsigned current;
static void (*body)(void*);
static void* argument;

static void enter() {
    body(argument);
    fibers[current].done = true;
    _longjmp(scheduler, 1);
}

// Run one thread until its next barrier or its end.
static void resume(unsigned t) {
    current = t;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
    if (_setjmp(scheduler)) return;
    Fiber& fiber = fibers[t];
    if (fiber.started) _longjmp(fiber.at, 1);
    fiber.started = true;
    static ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_sp = stacks.data() + t * STACK;
    start.uc_stack.ss_size = STACK;
    start.uc_link = nullptr;
    makecontext(&start, enter, 0);
    swapcontext(&first, &start);
}

// One block. Returns false where some threads wait at a barrier that others never reach.
static bool run_block(unsigned threads, bool backwards) {
    if (stacks.size() < threads * STACK) stacks.resize(threads * STACK);
    fibers.assign(threads, Fiber{});
    for (;;) {
        unsigned waiting = 0;
        for (unsigned i = 0; i < threads; i++) {
            unsigned t = backwards ? threads - 1 - i : i;
            resume(t);
            waiting += !fibers[t].done;
        }
        if (waiting == 0) return true;
        if (waiting < threads) return false;
    }
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<A>*>(args[I])...);
}

// What cuLaunchKernel does: args[i] points to the value of argument i.
template <class... A>
static int launch(void (*kernel)(A...), void** args, const unsigned* size, bool backwards) {
    static void (*the_kernel)(A...);
    static void** the_args;
    the_kernel = kernel;
    the_args = args;
    body = [](void*) { call(the_kernel, the_args, std::index_sequence_for<A...>()); };
    gridDim = {size[0], size[1], size[2]};
    blockDim = {size[3], size[4], size[5]};
    const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x; x++) {
                blockIdx = {x, y, z};
                if (!run_block(threads, backwards)) return 1;
            }
    return 0;
}

// The type of an argument as NumPy names it, with * behind that of a pointer.
template <class T>
static const char* type_name() {
    if constexpr (std::is_pointer_v<T>) {
        using P = std::remove_const_t<std::remove_pointer_t<T>>;
        if (std::is_same_v<P, float>) return "float32*";
        if (std::is_same_v<P, double>) return "float64*";
        if (std::is_same_v<P, bool>) return "bool*";
        if (std::is_same_v<P, unsigned char>) return "uint8*";
        if (std::is_same_v<P, int>) return "int32*";
        if (std::is_same_v<P, long long>) return "int64*";
    } else {
        if (std::is_same_v<T, float>) return "float32";
        if (std::is_same_v<T, double>) return "float64";
        if (std::is_same_v<T, int>) return "int32";
        if (std::is_same_v<T, long long>) return "int64";
    }
    return "a type that the shim does not know";
}

template <class... A>
static const char* const* type_names(void (*)(A...)) {
    static const char* names[] = {type_name<std::remove_const_t<A>>()..., nullptr};
    return names;
}

}  // namespace shim

#define __syncthreads()                                           \
    do {                                                          \
        if (!_setjmp(shim::fibers[shim::current].at)) _longjmp(shim::scheduler, 1); \
    } while (0)

// Behind the source, once for each kernel: what ctypes calls.
#define SHIM_EXPORT extern "C" __attribute__((visibility("default")))
#define SHIM_KERNEL(name)                                                                      \
    SHIM_EXPORT int launch_##name(void** args, const unsigned* size, int backwards) {           \
        return shim::launch(name, args, size, backwards);                                      \
    }                                                                                          \
    SHIM_EXPORT const char* const* types_##name() { return shim::type_names(name); }
