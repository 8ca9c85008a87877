// A run is the same in two builds, e.g. by g++ and by clang: training, search, confirmation and all
// reports, byte for byte. Built where PARETOFORMER_OTHER_BINARY is set:
//
//     cmake --preset clang -DPARETOFORMER_OTHER_BINARY=build/release/paretoformer
//     cmake --build --preset clang --target other_build_tests
//     ctest --preset clang -R OtherBuild
//
// Both must be for the same processor: products are summed in another order with AMX than without.
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

TEST(OtherBuild, WritesTheSameBytes) {
  Sandbox one, other;
  const auto run = [](const Sandbox& box, const std::string& binary) {
    write(box / "config.json", tiny_config().dump());
    Limits limits;
    limits.binary = binary;
    const Result result = box.run({"search", "config.json"}, limits);
    EXPECT_EQ(result.status, 0) << result.err;
  };
  run(one, PARETOFORMER_BINARY);
  run(other, PARETOFORMER_OTHER_BINARY);
  ASSERT_EQ(one.files(), other.files());
  for (const std::string& name : one.files())
    if (fs::is_regular_file(one / name)) {
      EXPECT_TRUE(content(one / name) == content(other / name)) << name << " differs";
    }
  // It is the run that is compared, not its absence.
  EXPECT_GT(fs::file_size(one / "run/supernet.safetensors"), 0u);
  EXPECT_EQ(line_count(one / "run/history.jsonl"), 96u);
}

}  // namespace
}  // namespace paretoformer::integration
