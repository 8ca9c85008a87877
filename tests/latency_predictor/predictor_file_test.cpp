// The file of a latency predictor: round trip, and everything that can be wrong with one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "latency_predictor/latency_predictor.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/random.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::HasSubstr;

const Architecture kNetwork{96, 16, 0, {{4, 384}, {2, 384}}};

class PredictorFile : public testing::Test {
 protected:
  void SetUp() override {
    accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
    hardware.scratchpad_kib = 128;
    InPlaceCosts in_place;
    in_place["attention.norm"][{elementwise(accel_sim::OperatorKind::kLayerNorm, 32, 96), 1,
                                false}] = {accel_sim::Cycles(77), accel_sim::Picojoules(0.5)};
    in_place["ffn.norm"][{elementwise(accel_sim::OperatorKind::kLayerNorm, 32, 96), 1, false}] = {
        accel_sim::Cycles(78), accel_sim::Picojoules(0.25)};
    LatencyPredictor predictor(hardware, {32, accel_sim::Mode::kPrefill},
                               analytical_table(hardware), in_place);
    predictor.relative_uncertainty = 0.1 / 3;
    expected_ = predictor.predict(kNetwork);
    predictor.save(path_);
    text_ = read_file(path_);
  }

  std::string error_of(const std::string& text) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    try {
      LatencyPredictor::load(path_);
    } catch (const InputError& error) {
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

  TemporaryFolder temporary_;
  std::filesystem::path path_ = temporary_ / "my.predictor";
  std::string text_;
  accel_sim::HardwareCost expected_;
};

TEST_F(PredictorFile, AWorkloadMayHaveAMaskAndBiases) {
  const accel_sim::Workload masked{16, accel_sim::Mode::kPrefill, accel_sim::Mask::kCausal, true};
  const LatencyPredictor predictor(accel_sim::find_target("gemmini_soc"), masked);
  const accel_sim::HardwareCost cost = predictor.predict(kNetwork);
  predictor.save(path_);
  EXPECT_NE(read_file(path_).find("\nworkload 16 prefill causal biases\n"), std::string::npos);
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_EQ(loaded.workload(), masked);
  EXPECT_EQ(loaded.predict(kNetwork), cost);
}

TEST_F(PredictorFile, RoundTripKeepsEverything) {
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_EQ(loaded.predict(kNetwork), expected_);
  EXPECT_EQ(loaded.workload(), (accel_sim::Workload{32, accel_sim::Mode::kPrefill}));
  ASSERT_TRUE(loaded.hardware().has_value());
  EXPECT_EQ(loaded.hardware()->scratchpad_kib, 128);
  EXPECT_EQ(loaded.in_place().size(), 2u);
  EXPECT_EQ(loaded.relative_uncertainty, 0.1 / 3);
  loaded.save(path_);
  EXPECT_EQ(read_file(path_), text_);
}

TEST_F(PredictorFile, UnknownOperatorsAreNeverFree) {
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  try {
    loaded.predict({96, 16, 0, {{3, 384}}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"matmul weights - 32 96 48\""));
  }
}

TEST_F(PredictorFile, OfAMeasuredDevice) {
  const std::string device = "a phone";
  LookupTable table(LatencyPredictor::device_hash(device), "measured");
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators(kNetwork, {32, accel_sim::Mode::kPrefill}))
    table.insert(item.op, {accel_sim::Cycles(item.op.rows), accel_sim::Picojoules(0.5)});
  const LatencyPredictor predictor(device, {32, accel_sim::Mode::kPrefill}, table);
  predictor.save(path_);
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_EQ(loaded.device(), device);
  EXPECT_FALSE(loaded.hardware().has_value());
  EXPECT_EQ(loaded.predict(kNetwork), predictor.predict(kNetwork));
  EXPECT_THROW(LatencyPredictor("another phone", {32, accel_sim::Mode::kPrefill}, table),
               InputError);
}

TEST_F(PredictorFile, AByteOrderMarkIsNoDamage) {
  EXPECT_EQ(error_of("\xef\xbb\xbf" + text_), "no error");
}

TEST_F(PredictorFile, NamesOfDevicesStandOnOneLine) {
  const LookupTable table(LatencyPredictor::device_hash("a"), "measured");
  for (const char* wrong : {"", "-", "a\nb", "a\tb", "\x1b[31mred", "\x7F"}) {
    EXPECT_THROW(LatencyPredictor::device_hash(wrong), InputError);
    EXPECT_THROW(LatencyPredictor(wrong, {32, accel_sim::Mode::kPrefill}, table), InputError);
  }
  EXPECT_THAT(error_of(forged("device -", "device \x1b[31m")),
              HasSubstr(":3: the device's name has control characters"));
}

TEST_F(PredictorFile, OtherFilesAreCalledThat) {
  EXPECT_THAT(error_of("{}\n"), HasSubstr("paretoformer_latency_predictor"));
  EXPECT_THAT(error_of(forged("predictor 1\n", "predictor 2\n")), HasSubstr("expected 1"));
}

TEST_F(PredictorFile, HardwareAndItsHashBelongTogether) {
  EXPECT_THAT(error_of(forged("\"scratchpad_kib\":128", "\"scratchpad_kib\":256")),
              HasSubstr(":4: hardware is"));
  EXPECT_THAT(error_of(forged("\"scratchpad_kib\":128", "\"scratchpad_kib\":127")),
              HasSubstr("/scratchpad_kib"));
}

TEST_F(PredictorFile, EveryTruncationIsNoticed) {
  for (std::size_t size = 0; size < text_.size(); ++size)
    EXPECT_NE(error_of(text_.substr(0, size)), "no error") << size;
}

TEST_F(PredictorFile, EveryChangedCharacterIsNoticed) {
  for (std::size_t i = 0; i < text_.size(); ++i) {
    std::string text = text_;
    text[i] = text[i] == '7' ? '8' : '7';
    EXPECT_NE(error_of(text), "no error") << i;
  }
}

TEST_F(PredictorFile, ContentIsCheckedEvenUnderAFittingChecksum) {
  EXPECT_THAT(error_of(forged("workload 32", "workload 0")), HasSubstr(":5: \"0 prefill\" is no"));
  EXPECT_THAT(error_of(forged("prefill", "postfill")), HasSubstr("is no workload"));
  EXPECT_THAT(error_of(forged("cycles femto", "seconds femto")), HasSubstr("units is seconds"));
  EXPECT_THAT(error_of(forged("uncertainty 0.", "uncertainty -0.")), HasSubstr("no uncertainty"));
  EXPECT_THAT(error_of(forged("in_place 2", "in_place 1")), HasSubstr("expected the checksum"));
  EXPECT_THAT(error_of(forged("in_place 2", "in_place 3")), HasSubstr("is no entry"));
  EXPECT_THAT(error_of(forged("ffn.norm later 1 layer", "ffn.norm later 1 layar")),
              HasSubstr("is no operator"));
  EXPECT_THAT(error_of(forged("ffn.norm later", "ffn.norm last")), HasSubstr("first or later"));
  EXPECT_THAT(error_of(forged("ffn.norm later 1", "ffn.norm later 0")),
              HasSubstr("how often it runs"));
  EXPECT_THAT(error_of(forged("ffn.norm", "attention.norm")), HasSubstr("is there twice"));
  EXPECT_THAT(error_of(forged("entries 1", "entries 9")), HasSubstr("is no entry"));
  EXPECT_THAT(error_of(forged("gelu - -", "gelo - -")), HasSubstr("is no operator"));
  EXPECT_THAT(error_of(forged(" : ", " : -")), HasSubstr("has no cost"));
  EXPECT_EQ(error_of(forged("entries 1", "entries 1")), "no error");
}

// Counts and numbers beyond what they are kept in, and what is no number.
TEST_F(PredictorFile, NumbersAreChecked) {
  for (const char* wrong : {"99999999999999", "-1", "1e3", "99999999999999999999999", "0x1", ""}) {
    EXPECT_NE(error_of(forged("entries ", "entries " + std::string(wrong) + "\n")), "no error");
    EXPECT_NE(error_of(forged("in_place 2\n", "in_place " + std::string(wrong) + "\n")),
              "no error");
  }
  EXPECT_THAT(error_of(forged("in_place 2\n", "in_place 99999999999999\n")),
              HasSubstr("is no entry"));
  for (const char* wrong : {" : 9223372036854775808 1 ", " : 1e3 ", " : nan ", " : 1.5 ", " : +1 "})
    EXPECT_THAT(error_of(forged(" : ", wrong)), HasSubstr("has no cost")) << wrong;
  for (const char* wrong : {"1e999", "inf", "nan", "-nan", "0.5 ", "0x1", ""})
    EXPECT_THAT(error_of(forged("uncertainty 0.03", "uncertainty " + std::string(wrong) + "\n")),
                HasSubstr("is no uncertainty"))
        << wrong;
  for (const char* wrong : {"2147483648", "4294967297", "1048577", "32.0", "-32", "+32"})
    EXPECT_THAT(error_of(forged("workload 32", "workload " + std::string(wrong))),
                HasSubstr("is no workload"));
  EXPECT_THAT(error_of(forged("ffn.norm later 1", "ffn.norm later 9223372036854775808")),
              HasSubstr("how often it runs"));
}

TEST_F(PredictorFile, AnyTextUnderAFittingChecksumIsReadOrRefused) {
  const std::string body = text_.substr(0, text_.rfind("checksum "));
  const std::string pieces = " \n\t:-+.0129eEnaif{}[]\",\x80\xFF";
  Random random(1);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text = body;
    for (std::size_t changes = 1 + random.below(3); changes > 0; --changes)
      text[random.below(text.size())] = pieces[random.below(pieces.size())];
    refused += error_of(text + "checksum " + hex(hash_text(text)) + "\n") != "no error";
  }
  EXPECT_GT(refused, 500);
}

TEST_F(PredictorFile, OfADeviceMeasuredInTime) {
  LookupTable table(LatencyPredictor::device_hash("phone"), "measured", nullptr,
                    TimeUnit::kFemtoseconds);
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators(kNetwork, {32, accel_sim::Mode::kPrefill}))
    table.insert(item.op, {accel_sim::Cycles(8'613'100'000), accel_sim::Picojoules(0.5)});
  const LatencyPredictor predictor("phone", {32, accel_sim::Mode::kPrefill}, table);
  predictor.save(path_);
  text_ = read_file(path_);
  EXPECT_THAT(text_, HasSubstr("\nunits femtoseconds femtojoules\n"));
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_TRUE(loaded.in_time());
  EXPECT_EQ(loaded.predict(kNetwork), predictor.predict(kNetwork));
  std::int64_t runs = 0;
  for (const OperatorPrediction& each : loaded.breakdown(kNetwork)) runs += each.repeat;
  EXPECT_EQ(loaded.predict(kNetwork).latency.value(), 8'613'100'000 * runs);
  EXPECT_DOUBLE_EQ(loaded.latency(loaded.predict(kNetwork)), 8613.1 * static_cast<double>(runs));
  // As files were before times were kept.
  const std::string error = error_of(forged("units femtoseconds", "units cycles"));
  EXPECT_EQ(error, "no error");
  EXPECT_FALSE(LatencyPredictor::load(path_).in_time());
  EXPECT_THAT(error_of(forged("units femtoseconds", "units seconds")),
              HasSubstr("expected cycles femtojoules or femtoseconds femtojoules"));
}

TEST_F(PredictorFile, SimulatedHardwareHasCycles) {
  EXPECT_THAT(error_of(forged("units cycles", "units femtoseconds")), HasSubstr("units is"));
}

}  // namespace
}  // namespace paretoformer::latency_predictor
