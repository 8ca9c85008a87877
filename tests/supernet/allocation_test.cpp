// Training steps allocate nothing, nor do integer operators.
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <thread>
#include <vector>

#include "supernet/kernels/matmul.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "supernet/quantization/integer_operators.hpp"
#include "supernet/training/trainer.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"
#include "tests/counted_allocations.hpp"

namespace paretoformer::supernet {
namespace {

// A thread's first matrix product allocates its packing buffer: waits until all `threads` threads
// are here, so that each of them has done one.
void warm_up(int threads) {
  std::atomic<int> here{0};
  parallel_tasks(static_cast<std::size_t>(threads), [&](std::size_t) {
    ++here;
    while (here < threads) std::this_thread::yield();
    const float a = 1, b = 2;
    float c = 0;
    matmul<float>(1, 1, 1, plain(&a, 1), plain(&b, 1), &c, 1);
  });
}

TEST(TrainerAllocation, NoneAfterTheFirstSteps) {
  ASSERT_GT(allocations, 0);  // gtest's own: the counter works
  constexpr int kThreads = 2;
  const tbb::global_control two(tbb::global_control::max_allowed_parallelism, kThreads);
  const SearchSpace space = SearchSpace::find("quickstart").with_vocabulary(128);
  TrainingConfig config;
  config.batch = 2;
  config.accumulation = 2;
  config.context = 64;
  const ParameterLayout layout(space.largest(), config.context);
  TrainingState<float> state;
  state.parameters = initial_parameters<float>(layout, 1);
  Trainer<float> trainer(layout, config, std::move(state));
  Random random(2);
  std::vector<std::int32_t> text(2000);
  for (std::int32_t& token : text) token = static_cast<std::int32_t>(random.below(128));

  tbb::task_arena arena(kThreads);
  arena.execute([&] { warm_up(kThreads); });
  std::vector<std::int32_t> tokens, targets;
  for (int step = 0; step < 6; ++step) {
    const std::vector<Architecture> networks = sandwich(space, 2, 1, step);
    const int sequences = config.sequences_per_step(networks.size());
    draw_batch(text, sequences, config.context, 1, step, tokens, targets);
    const Batch batch{tokens.data(), targets.data(), sequences, config.context};
    arena.execute([&] {
      const long before = allocations;
      trainer.compute_gradients(batch, networks);
      trainer.apply_gradients();
      const long after = allocations;
      // Not the first two: whatever is made once is made there.
      EXPECT_EQ(step < 2 ? 0 : after - before, 0) << "in step " << step;
    });
  }
}

TEST(IntegerAllocation, NoneAfterTheFirstProduct) {
  constexpr int kSize = 70;
  const std::vector<std::int8_t> a(kSize * kSize, 3);
  std::vector<std::int32_t> c(a.size());
  std::vector<std::int8_t> y(a.size());
  const Rows<const std::int32_t> sums{c.data(), kSize};
  const Rows<std::int8_t> result{y.data(), kSize};
  for (int round = 0; round < 3; ++round) {
    const long before = allocations;
    for (const Int8Unit unit : {Int8Unit::none, int8_unit()})
      matmul_int8(kSize, kSize, kSize, plain(a.data(), kSize), transposed(a.data(), kSize), {},
                  c.data(), kSize, unit);
    requantize_rows(kSize, kSize, sums, 0.5F, result);
    integer_gelu(kSize, kSize, sums, gelu_constants(0.05F), 0.5F, result);
    integer_softmax(kSize, kSize, sums, exp_constants(0.05F), 1, result);
    integer_layer_norm(kSize, kSize, sums, 16, result);
    EXPECT_EQ(round < 1 ? 0 : allocations - before, 0) << "in round " << round;
  }
}

}  // namespace
}  // namespace paretoformer::supernet
