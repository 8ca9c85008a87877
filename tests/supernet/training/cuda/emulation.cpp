#include "tests/supernet/training/cuda/emulation.hpp"

#include <sys/mman.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#include <exception>
#include <mutex>
#include <string>
#include <vector>

namespace emulation {
namespace {

constexpr std::size_t kStack = 128 << 10;
constexpr std::size_t kGuard = 16 << 10;  // whole pages on every machine of today

// Where a stack is left and gone on with.
#ifdef __x86_64__

struct Context {
  void* stack_pointer;
};

// Saves what a call preserves. swapcontext() also asks the kernel for the mask of signals, which
// took half of the time of all tests.
[[gnu::naked, gnu::noinline]] void change(Context& /*from*/, const Context& /*to*/) {
  asm("pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15;"
      "movq %rsp, (%rdi); movq (%rsi), %rsp;"
      "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}

void prepare(Context& context, void* stack, std::size_t bytes, void (*entry)()) {
  // As if entry() had been called: its return address, which is never used, at 8 modulo 16.
  auto* top = reinterpret_cast<void**>(static_cast<char*>(stack) + bytes) - 2;
  *top = nullptr;
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  context.stack_pointer = top;
}

#else

using Context = ucontext_t;

void change(Context& from, const Context& to) { swapcontext(&from, &to); }

void prepare(Context& context, void* stack, std::size_t bytes, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = bytes;
  context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}

#endif

enum class State { ready, at_barrier, in_warp, done };

struct Copy {
  void* to;
  const void* from;
  unsigned bytes, source_bytes;
};

struct Fiber {
  Context context;
  State state;
  dim3 index;
  std::vector<std::vector<Copy>> copies;  // a group each; the last one is not committed
};

struct Warp {
  const char* what = nullptr;
  Site where{};
  unsigned arrived = 0;
  void* lanes[32];
};

// Stacks for the largest block, with a page that may not be touched below each.
class Stacks {
 public:
  Stacks() {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    memory_ = static_cast<char*>(
        mmap(nullptr, 1024 * (kStack + kGuard), PROT_READ | PROT_WRITE, kFlags, -1, 0));
    if (memory_ == MAP_FAILED) throw std::runtime_error("no memory for the stacks of fibers");
    for (std::size_t i = 0; i < 1024; ++i)
      mprotect(memory_ + i * (kStack + kGuard), kGuard, PROT_NONE);
  }
  void* of(std::size_t fiber) { return memory_ + fiber * (kStack + kGuard) + kGuard; }

 private:
  char* memory_;
};

struct SharedMemory {
  void* address;
  std::size_t bytes;
};

std::mutex one_at_a_time;
std::vector<SharedMemory> static_shared;
std::vector<unsigned char> dynamic;  // with room to align
unsigned char* dynamic_start = nullptr;
std::size_t dynamic_bytes = 0;

Context scheduler;
std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::size_t current = 0;
std::size_t at_barrier = 0, live = 0;
Site barrier_site{};
const std::function<void()>* body = nullptr;
std::exception_ptr fault;

std::string place(const Site& where) {
  return std::string(where.file) + ":" + std::to_string(where.line);
}

bool same(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

// The next fiber that can run; with none, what all wait for never comes.
void leave(Context& from) {
  const std::size_t count = fibers.size();
  for (std::size_t step = 1; step <= count; ++step) {
    const std::size_t next = (current + (reversed ? count - step : step)) % count;
    if (fibers[next].state != State::ready) continue;
    if (next == current) return;
    current = next;
    threadIdx = fibers[next].index;
    change(from, fibers[next].context);
    return;
  }
  if (live > 0 && !fault)
    fault = std::make_exception_ptr(
        Fault("divergent barrier: threads wait for others that are elsewhere or have ended"));
  change(from, scheduler);
}

void release_barrier() {
  if (at_barrier == 0 || at_barrier < live) return;
  at_barrier = 0;
  for (Fiber& fiber : fibers)
    if (fiber.state == State::at_barrier) fiber.state = State::ready;
}

void fiber_main() {
  Fiber& me = fibers[current];
  try {
    (*body)();
  } catch (...) {
    fault = std::current_exception();
  }
  me.state = State::done;
  --live;
  if (fault) change(me.context, scheduler);
  release_barrier();
  leave(me.context);
}

void start_block(dim3 block, std::size_t shared_bytes) {
  static Stacks stacks;
  for (const SharedMemory& memory : static_shared) std::memset(memory.address, 0xff, memory.bytes);
  // Exactly as long as asked for, so that tools see what lies behind it.
  dynamic.assign(shared_bytes + 128, 0xff);
  dynamic.shrink_to_fit();
  const auto address = reinterpret_cast<std::uintptr_t>(dynamic.data());
  dynamic_start = dynamic.data() + (128 - address % 128) % 128;

  dynamic_bytes = shared_bytes;
  fibers.resize(std::size_t{block.x} * block.y * block.z);
  warps.assign((fibers.size() + 31) / 32, Warp{});
  live = fibers.size();
  at_barrier = 0;
  fault = nullptr;
  for (std::size_t i = 0; i < fibers.size(); ++i) {
    Fiber& fiber = fibers[i];
    const auto number = static_cast<unsigned>(i);
    fiber.state = State::ready;
    fiber.copies.assign(1, {});
    fiber.index = {number % block.x, number / block.x % block.y, number / (block.x * block.y)};
    prepare(fiber.context, stacks.of(i), kStack, fiber_main);
  }
}

}  // namespace

void require(bool condition, const char* expected) {
  if (!condition) throw Fault(std::string("expected ") + expected);
}

void run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& thread) {
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  require(threads > 0 && threads <= 1024, "1 to 1024 threads in a block");
  require(grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.y <= 65535 && grid.z <= 65535,
          "a grid of 1 to 2^31 - 1 by 1 to 65535 by 1 to 65535 blocks");
  require(shared_bytes <= kSharedBytes, "at most 99 KiB of shared memory in a block");
  ++launches;
  body = &thread;
  gridDim = grid;
  blockDim = block;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        start_block(block, shared_bytes);
        current = reversed ? fibers.size() - 1 : 0;
        threadIdx = fibers[current].index;
        change(scheduler, fibers[current].context);
        if (fault) std::rethrow_exception(fault);
      }
}

unsigned lane() { return static_cast<unsigned>(current % 32); }

void barrier(const Site& where) {
  Fiber& me = fibers[current];
  if (at_barrier > 0 && !same(where, barrier_site))
    throw Fault("divergent barrier: " + place(where) + " and " + place(barrier_site));
  barrier_site = where;
  ++at_barrier;
  me.state = State::at_barrier;
  release_barrier();
  leave(me.context);
}

void warp_operation(const char* what, void* mine, void (*together)(void* const* lanes),
                    const Site& where) {
  Fiber& me = fibers[current];
  Warp& warp = warps[current / 32];
  if (warp.arrived > 0 && (std::strcmp(what, warp.what) != 0 || !same(where, warp.where)))
    throw Fault(std::string("divergent warp: ") + what + " at " + place(where) + " and " +
                warp.what + " at " + place(warp.where));
  warp.what = what;
  warp.where = where;
  warp.lanes[current % 32] = mine;
  if (++warp.arrived < 32) {
    me.state = State::in_warp;
    return leave(me.context);
  }
  together(warp.lanes);
  warp.arrived = 0;
  for (std::size_t i = current / 32 * 32; i < current / 32 * 32 + 32; ++i)
    fibers[i].state = State::ready;
}

unsigned char* dynamic_shared() { return dynamic_start; }

bool is_shared(const void* address, std::size_t bytes) {
  const auto start = reinterpret_cast<std::uintptr_t>(dynamic_start);
  const auto first = reinterpret_cast<std::uintptr_t>(address);
  return first >= start && first + bytes <= start + dynamic_bytes;
}

void register_shared(void* memory, std::size_t bytes) {
  std::memset(memory, 0xff, bytes);
  static_shared.push_back({memory, bytes});
}

namespace {

struct MatrixLoad {
  unsigned* registers;
  const void* row;
  bool trans;
};

template <class Sum>
struct Product {
  Sum* c;
  const unsigned* a;
  unsigned b[2];
};

std::uint16_t half(unsigned pair, int which) {
  return static_cast<std::uint16_t>(pair >> (16 * which));
}

float number(unsigned pair, int which) { return __bfloat162float({half(pair, which)}); }

void load_matrices(void* const* lanes) {
  for (int m = 0; m < 4; ++m) {
    std::uint16_t matrix[8][8];
    for (int r = 0; r < 8; ++r) {
      const auto* row = static_cast<MatrixLoad*>(lanes[m * 8 + r])->row;
      require(is_shared(row, 16), "rows of matrices in shared memory");
      require(reinterpret_cast<std::uintptr_t>(row) % 16 == 0, "rows at multiples of 16 bytes");
      std::memcpy(matrix[r], row, 16);
    }
    for (int lane = 0; lane < 32; ++lane) {
      const auto& load = *static_cast<MatrixLoad*>(lanes[lane]);
      const int i = lane / 4;
      const int j = lane % 4 * 2;
      const unsigned low = load.trans ? matrix[j][i] : matrix[i][j];
      const unsigned high = load.trans ? matrix[j + 1][i] : matrix[i][j + 1];
      load.registers[m] = low | high << 16;
    }
  }
}

void multiply(void* const* lanes) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& from = *static_cast<Product<float>*>(lanes[lane]);
    const int g = lane / 4;
    const int t = lane % 4;
    for (int i = 0; i < 2; ++i) {
      a[g][2 * t + i] = number(from.a[0], i);
      a[g + 8][2 * t + i] = number(from.a[1], i);
      a[g][2 * t + 8 + i] = number(from.a[2], i);
      a[g + 8][2 * t + 8 + i] = number(from.a[3], i);
      b[2 * t + i][g] = number(from.b[0], i);
      b[2 * t + 8 + i][g] = number(from.b[1], i);
    }
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8;
      const int column = lane % 4 * 2 + i % 2;
      float& sum = static_cast<Product<float>*>(lanes[lane])->c[i];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
    }
}

int byte(unsigned four, int which) { return static_cast<std::int8_t>(four >> (8 * which)); }

void multiply_bytes(void* const* lanes) {
  int a[16][32], b[32][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& from = *static_cast<Product<int>*>(lanes[lane]);
    const int g = lane / 4;
    const int t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      a[g][4 * t + i] = byte(from.a[0], i);
      a[g + 8][4 * t + i] = byte(from.a[1], i);
      a[g][4 * t + 16 + i] = byte(from.a[2], i);
      a[g + 8][4 * t + 16 + i] = byte(from.a[3], i);
      b[4 * t + i][g] = byte(from.b[0], i);
      b[4 * t + 16 + i][g] = byte(from.b[1], i);
    }
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8;
      const int column = lane % 4 * 2 + i % 2;
      int& c = static_cast<Product<int>*>(lanes[lane])->c[i];
      auto sum = static_cast<unsigned>(c);
      for (int k = 0; k < 32; ++k) sum += static_cast<unsigned>(a[row][k] * b[k][column]);
      c = static_cast<int>(sum);
    }
}

}  // namespace

void ldmatrix_x4(unsigned (&registers)[4], const void* row, bool trans, const Site& where) {
  MatrixLoad mine{registers, row, trans};
  warp_operation(trans ? "ldmatrix.trans" : "ldmatrix", &mine, load_matrices, where);
}

void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                  const Site& where) {
  Product<float> mine{c, a, {b0, b1}};
  warp_operation("mma", &mine, multiply, where);
}

void mma_m16n8k32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                  const Site& where) {
  Product<int> mine{c, a, {b0, b1}};
  warp_operation("mma of int8", &mine, multiply_bytes, where);
}

void cp_async(void* to, const void* from, unsigned bytes, unsigned source_bytes) {
  require(bytes == 4 || bytes == 16, "asynchronous copies of 4 or 16 bytes");
  require(is_shared(to, bytes), "asynchronous copies to shared memory");
  require(
      (reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) % bytes == 0,
      "asynchronous copies at multiples of their size");
  fibers[current].copies.back().push_back({to, from, bytes, source_bytes});
}

void cp_async_commit_group() { fibers[current].copies.emplace_back(); }

void cp_async_wait_group(unsigned pending) {
  auto& groups = fibers[current].copies;
  while (groups.size() - 1 > pending) {
    for (const Copy& copy : groups.front()) {
      std::memset(copy.to, 0, copy.bytes);
      std::memcpy(copy.to, copy.from, copy.source_bytes);
    }
    groups.erase(groups.begin());
  }
}

}  // namespace emulation
