#include "latency_predictor/lookup_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kHardware = 0x1234;

HardwareCost made_up_price(const Operator& op) {
  return {Cycles(op.rows * 1000 + op.columns), Picojoules(op.inner + 0.125)};
}

class LookupTableFile : public testing::Test {
 protected:
  void SetUp() override {
    LookupTable table(kHardware, "made_up", made_up_price);
    for (const Operator& op : operators_) table.cost(op);
    table.write(path_);
    text_ = read_file(path_);
  }

  // What reading `text` complains about, after checking that nothing was added.
  std::string error_of(const std::string& text, std::uint64_t hardware = kHardware,
                       const std::string& model = "made_up") {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    LookupTable table(hardware, model);
    try {
      table.read(path_);
    } catch (const InputError& error) {
      EXPECT_EQ(table.size(), 0U);
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
      return error.what();
    }
    return "no error";
  }

  // `text` with one piece replaced and a checksum that fits again.
  std::string forged(const std::string& from, const std::string& to) const {
    std::string text = text_.substr(0, text_.rfind("checksum "));
    text.replace(text.find(from), from.size(), to);
    return text + "checksum " + hex(hash_text(text)) + "\n";
  }

  const std::vector<Operator> operators_ = {
      matmul(32, 64, 48),
      matmul(1, 2, 3, RightOperand::kTransposedActivations, Activation::kSoftmax),
      elementwise(OperatorKind::kGelu, 7, 9)};
  TemporaryFolder temporary_;
  std::filesystem::path path_ = temporary_ / "table.txt";
  std::string text_;
};

TEST(LookupTable, FillsOnDemandAndOnce) {
  int calls = 0;
  const LookupTable table(kHardware, "made_up", [&calls](const Operator& op) {
    ++calls;
    return made_up_price(op);
  });
  const Operator op = matmul(32, 64, 48);
  EXPECT_EQ(table.cost(op), made_up_price(op));
  EXPECT_EQ(table.cost(op), made_up_price(op));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(table.size(), 1U);
}

TEST(LookupTable, UnknownOperatorsAreNeverFree) {
  const LookupTable table(kHardware, "made_up");
  try {
    table.cost(matmul(32, 64, 48));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("matmul weights - 32 64 48"));
  }
}

TEST_F(LookupTableFile, RoundTripKeepsEveryPriceAndTheText) {
  LookupTable table(kHardware, "made_up");
  table.read(path_);
  EXPECT_EQ(table.size(), operators_.size());
  for (const Operator& op : operators_) EXPECT_EQ(table.cost(op), made_up_price(op));
  table.write(path_);
  EXPECT_EQ(read_file(path_), text_);
}

TEST_F(LookupTableFile, BelongsToOneHardwareAndModel) {
  EXPECT_THAT(error_of(text_, kHardware + 1),
              HasSubstr("hardware is 0000000000001234: expected 0000000000001235"));
  EXPECT_THAT(error_of(text_, kHardware, "measured"), HasSubstr("expected measured"));
  EXPECT_THAT(error_of("{}\n"), HasSubstr("paretoformer_lookup_table"));
  EXPECT_THAT(error_of(forged("table 1\n", "table 2\n")), HasSubstr("expected 1"));
}

TEST_F(LookupTableFile, EveryTruncationIsNoticed) {
  for (std::size_t size = 0; size < text_.size(); ++size)
    EXPECT_NE(error_of(text_.substr(0, size)), "no error") << size;
}

TEST_F(LookupTableFile, EveryChangedCharacterIsNoticed) {
  for (std::size_t i = 0; i < text_.size(); ++i) {
    std::string text = text_;
    text[i] = text[i] == '7' ? '8' : '7';
    EXPECT_NE(error_of(text), "no error") << i;
  }
}

TEST_F(LookupTableFile, ContentIsCheckedEvenUnderAFittingChecksum) {
  EXPECT_THAT(error_of(forged("entries 3", "entries 2")), HasSubstr("expected the checksum"));
  EXPECT_THAT(error_of(forged("entries 3", "entries 4")), HasSubstr("is no entry"));
  EXPECT_THAT(error_of(forged("gelu - -", "gelo - -")), HasSubstr("is no operator"));
  EXPECT_THAT(error_of(forged(" : ", " : -")), HasSubstr("has no cost"));
  EXPECT_EQ(error_of(forged("entries 3", "entries 3")), "no error");
}

}  // namespace
}  // namespace paretoformer
