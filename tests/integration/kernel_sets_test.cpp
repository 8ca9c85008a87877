// One binary runs with the kernels of every instruction set that the processor has.
#include "supernet/kernels/kernel_sets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using testing::HasSubstr;

class KernelSetOfARun : public testing::Test {
 protected:
  ~KernelSetOfARun() override { ::unsetenv("PARETOFORMER_CPU"); }

  Result run(const char* set, const std::string& command, const std::string& folder) {
    Json json = tiny_config();
    json["training"]["steps"] = 20;
    json["run"] = folder;
    write(sandbox_.path() / "tiny.json", json.dump());
    ::setenv("PARETOFORMER_CPU", set, 1);
    return sandbox_.run({command, "tiny.json"});
  }

  Sandbox sandbox_;
};

TEST_F(KernelSetOfARun, EveryOneTrainsAndThoseOfAvx2AndAvx512ToTheSameBits) {
  std::map<std::string, std::string> weights;
  for (const supernet::KernelSet* set : supernet::kernel_sets()) {
    const Result result = run(set->name, "train", set->name);
    ASSERT_EQ(result.status, 0) << set->name << ": " << result.err;
    weights[set->name] = content(sandbox_.path() / set->name / "supernet.safetensors");
    ASSERT_FALSE(weights[set->name].empty());
  }
  if (weights.count("x86-64-v4")) {
    EXPECT_EQ(weights["x86-64-v3"], weights["x86-64-v4"]);
  }
}

TEST_F(KernelSetOfARun, AnUnknownOneIsRefusedBeforeAnythingIsWritten) {
  for (const char* command : {"train", "search"}) {
    const Result result = run("sse9", command, "run");
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, HasSubstr("PARETOFORMER_CPU: \"sse9\": expected one of"));
    EXPECT_FALSE(fs::exists(sandbox_.path() / "run"));
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
  }
}

}  // namespace
}  // namespace paretoformer::integration
