#include "support/finite.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace paretoformer {
namespace {

TEST(RequireFinite, NamesWhatIsNot) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  std::vector<double> values{0.0, -kLargest, kLargest, std::numeric_limits<double>::denorm_min()};
  EXPECT_NO_THROW(require_finite(values, "a loss"));
  for (const double wrong : {HUGE_VAL, -HUGE_VAL, std::nan("")})
    for (double& value : values) {
      const double right = value;
      value = wrong;
      try {
        require_finite(values, "a loss");
        ADD_FAILURE() << wrong << " passed";
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "a loss is not finite");
      }
      value = right;
    }
}

}  // namespace
}  // namespace paretoformer
