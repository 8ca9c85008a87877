// The file of a latency predictor: round trip, and everything that can be wrong with one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <tuple>
#include <utility>

#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/tables.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/random.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::HasSubstr;

const Architecture kFileNetwork{96, 16, 0, {{4, 384}, {2, 384}}};

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
    expected_ = predictor.predict(kFileNetwork);
    predictor.save(path_);
    text_ = read_file(path_);
  }

  std::string error_of(const std::string& text) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    try {
      LatencyPredictor::load(path_);
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_THAT(message, HasSubstr(path_));
      EXPECT_EQ(message.find('\n'), std::string::npos);
      return message;
    }
    return "no error";
  }

  // `text` with one piece replaced and a checksum that fits again.
  std::string forged(const std::string& from, const std::string& to) const {
    std::string text = text_;
    EXPECT_NE(text.find(from), std::string::npos) << from;
    return refitted(text.replace(text.find(from), from.size(), to));
  }
  static std::string refitted(std::string text) {
    const std::string key = ",\n  \"checksum\": \"";
    text.resize(text.rfind(key));
    return text + key + hex(hash_text(text)) + "\"\n}\n";
  }

  TemporaryFolder temporary_;
  std::string path_ = (temporary_ / "my.predictor").string();
  std::string text_;
  accel_sim::HardwareCost expected_;
};

TEST_F(PredictorFile, AWorkloadMayHaveAMaskAndBiases) {
  const accel_sim::Workload masked{16, accel_sim::Mode::kPrefill, accel_sim::Mask::kCausal, true};
  const LatencyPredictor predictor(accel_sim::find_target("gemmini_soc"), masked);
  const accel_sim::HardwareCost cost = predictor.predict(kFileNetwork);
  predictor.save(path_);
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_EQ(loaded.workload(), masked);
  EXPECT_EQ(loaded.predict(kFileNetwork), cost);
}

TEST_F(PredictorFile, RoundTripKeepsEverything) {
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_EQ(loaded.predict(kFileNetwork), expected_);
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
       accel_sim::transformer_operators(kFileNetwork, {32, accel_sim::Mode::kPrefill}))
    table.insert(item.op, {accel_sim::Cycles(item.op.rows), accel_sim::Picojoules(0.5)});
  const LatencyPredictor predictor(device, {32, accel_sim::Mode::kPrefill}, table);
  predictor.save(path_);
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_EQ(loaded.device(), device);
  EXPECT_FALSE(loaded.hardware().has_value());
  EXPECT_EQ(loaded.predict(kFileNetwork), predictor.predict(kFileNetwork));
  EXPECT_THROW(LatencyPredictor("another phone", {32, accel_sim::Mode::kPrefill}, table),
               InputError);
}

TEST_F(PredictorFile, AByteOrderMarkIsNoDamage) {
  EXPECT_EQ(error_of("\xef\xbb\xbf" + text_), "no error");
}

TEST_F(PredictorFile, NamesOfDevicesStandOnOneLine) {
  const LookupTable table(LatencyPredictor::device_hash("a"), "measured");
  for (const char* wrong : {"", "a\nb", "a\tb", "\x1b[31mred", "\x7F"}) {
    EXPECT_THROW(LatencyPredictor::device_hash(wrong), InputError);
    EXPECT_THROW(LatencyPredictor(wrong, {32, accel_sim::Mode::kPrefill}, table), InputError);
  }
  LatencyPredictor("a", {32, accel_sim::Mode::kPrefill}, table).save(path_);
  text_ = read_file(path_);
  EXPECT_THAT(error_of(forged("\"device\": \"a\"", "\"device\": \"\\u001b[31m\"")),
              HasSubstr("/device: \"\\u001b[31m\" has control characters"));
  EXPECT_THAT(error_of(forged("\"device\": \"a\"", "\"device\": \"\"")), HasSubstr("no name"));
}

TEST_F(PredictorFile, OtherFilesAreCalledThat) {
  // The last is how files began before they were JSON.
  for (const char* other : {"", "{}\n", "[]\n", "notes\n", "paretoformer_latency_predictor 1\n"})
    EXPECT_THAT(error_of(other), HasSubstr("is no predictor of this version"));
  EXPECT_THAT(error_of(forged("predictor.2", "predictor.3")),
              HasSubstr("is no predictor of this version"));
  EXPECT_THAT(error_of(forged("\"table\"", "\"tabel\"")), HasSubstr("did you mean \"table\"?"));
  EXPECT_THAT(error_of(forged("\"table\"", "\"learned\"")),
              HasSubstr("is another kind of predictor: expected \"table\""));
  EXPECT_THAT(error_of(text_.substr(0, text_.size() / 2)), HasSubstr("was cut or edited"));
}

TEST_F(PredictorFile, HardwareAndItsHashBelongTogether) {
  EXPECT_THAT(error_of(forged("\"scratchpad_kib\": 128", "\"scratchpad_kib\": 256")),
              HasSubstr("/hardware_hash"));
  EXPECT_THAT(error_of(forged("\"scratchpad_kib\": 128", "\"scratchpad_kib\": 127")),
              HasSubstr("/scratchpad_kib"));
}

// Rows of a table stand on a line each, so that two files can be compared.
TEST_F(PredictorFile, ARowIsALine) {
  EXPECT_THAT(text_, HasSubstr("\n      [\"layer_norm - - 32 0 96\",1,false,77,500]\n"));
  EXPECT_THAT(text_, HasSubstr("\n    [\"layer_norm - - 32 0 96\","));
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
  const std::string norm = "\"layer_norm - - 32 0 96\",", in_place = norm + "1,false,78,";
  for (const auto& [from, to, part] : {
           std::tuple{"\"sequence_length\": 32", "\"sequence_length\": 0", "/sequence_length: 0"},
           {"prefill", "postfill", "expected one of prefill, decode"},
           {"cycles femto", "seconds femto", "/units: \"seconds femtojoules\" is not known"},
           {"\"uncertainty\": 0.", "\"uncertainty\": -0.", "/uncertainty: -0."},
           {"\"entries\"", "\"entrees\"", "key \"entries\" is missing"},
           {"\"ffn.norm\"", "\"attention.norm\"", "appears twice"},
           {"gelu - -", "gelo - -", "is no operator"},
       })
    EXPECT_THAT(error_of(forged(from, to)), HasSubstr(part));
  for (const auto& [to, part] : {
           std::pair{"\"layer_norm - - 32 0 0\",1,false,78,", "is no operator"},
           {"\"layer_norm - - 32 0 96\",0,false,78,", "/in_place/ffn.norm/0/1: 0"},
           {"\"layer_norm - - 32 0 96\",1,0,78,", "expected true or false"},
           {"\"layer_norm - - 32 0 96\",1,false,-78,", "/3: -78 is out of range"},
           {"\"layer_norm - - 32 0 96\",1,false,", "expected 5 values"},
           {"\"layer_norm - - 32 0 96\",1,false,78,2],[\"layer_norm - - 32 0 96\",1,false,78,",
            "/in_place/ffn.norm/1: [\"layer_norm - - 32 0 96\",1,false,78,250] is there twice"},
       })
    EXPECT_THAT(error_of(forged(in_place, to)), HasSubstr(part));
  const std::size_t at = text_.find(norm) - 1;
  const std::string row = text_.substr(at, text_.find(']', at) + 1 - at);
  EXPECT_THAT(error_of(forged(row, row + "," + row)), HasSubstr(row + " is there twice"));
  EXPECT_EQ(error_of(forged(row, row)), "no error");
}

// Numbers beyond what they are kept in, and what is no number.
TEST_F(PredictorFile, NumbersAreChecked) {
  for (const char* wrong :
       {"9223372036854775808", "1e3", "nan", "1.5", "+1", "-1", "null", "\"1\""})
    EXPECT_NE(error_of(forged("false,78,", "false," + std::string(wrong) + ",")), "no error")
        << wrong;
  for (const char* wrong : {"1e999", "inf", "nan", "-1", "0x1", "."})
    EXPECT_NE(error_of(forged("\"uncertainty\": 0.0", "\"uncertainty\": " + std::string(wrong))),
              "no error")
        << wrong;
  for (const char* wrong : {"2147483648", "4294967297", "1048577", "32.0", "-32"})
    EXPECT_NE(
        error_of(forged("\"sequence_length\": 32", "\"sequence_length\": " + std::string(wrong))),
        "no error");
  EXPECT_THAT(error_of(forged("1,false,78,", "9223372036854775808,false,78,")),
              HasSubstr("out of range"));
}

TEST_F(PredictorFile, AnyTextUnderAFittingChecksumIsReadOrRefused) {
  const std::size_t end = text_.rfind(",\n  \"checksum\"");
  const std::string pieces = " \n\t:-+.0129eEnaif{}[]\",\x80\xFF";
  Random random(1);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text = text_;
    for (std::size_t changes = 1 + random.below(3); changes > 0; --changes)
      text[random.below(end)] = pieces[random.below(pieces.size())];
    refused += error_of(refitted(text)) != "no error";
  }
  EXPECT_GT(refused, 500);
}

TEST_F(PredictorFile, OfADeviceMeasuredInTime) {
  LookupTable table(LatencyPredictor::device_hash("phone"), "measured", nullptr,
                    TimeUnit::kFemtoseconds);
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators(kFileNetwork, {32, accel_sim::Mode::kPrefill}))
    table.insert(item.op, {accel_sim::Cycles(8'613'100'000), accel_sim::Picojoules(0.5)});
  const LatencyPredictor predictor("phone", {32, accel_sim::Mode::kPrefill}, table);
  predictor.save(path_);
  text_ = read_file(path_);
  EXPECT_THAT(text_, HasSubstr("\"units\": \"femtoseconds femtojoules\""));
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_TRUE(loaded.in_time());
  EXPECT_EQ(loaded.predict(kFileNetwork), predictor.predict(kFileNetwork));
  std::int64_t runs = 0;
  for (const OperatorPrediction& each : loaded.breakdown(kFileNetwork)) runs += each.repeat;
  EXPECT_EQ(loaded.predict(kFileNetwork).latency.value(), 8'613'100'000 * runs);
  EXPECT_DOUBLE_EQ(loaded.latency(loaded.predict(kFileNetwork)),
                   8613.1 * static_cast<double>(runs));
  EXPECT_EQ(error_of(forged("femtoseconds femto", "cycles femto")), "no error");
  EXPECT_FALSE(LatencyPredictor::load(path_).in_time());
  EXPECT_THAT(error_of(forged("femtoseconds femto", "seconds femto")),
              HasSubstr("expected one of cycles femtojoules, femtoseconds femtojoules"));
}

TEST_F(PredictorFile, SimulatedHardwareHasCycles) {
  EXPECT_THAT(error_of(forged("\"cycles femto", "\"femtoseconds femto")),
              HasSubstr("expected \"cycles femtojoules\""));
}

}  // namespace
}  // namespace paretoformer::latency_predictor
