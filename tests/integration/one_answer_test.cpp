// What a network costs: `predict` and `simulate` of an exported network say what front.json says is
// confirmed, and say so when they answer something else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "latency_predictor/latency_predictor.hpp"
#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

class OneAnswer : public TrainedFolder {
 protected:
  OneAnswer() { config_["search"]["evaluations"] = 36; }

  Json priced(Words words, const std::string& verb) {
    words.insert(words.begin(), verb);
    words.emplace_back("--json");
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.status == 0 ? parse(result.out) : Json();
  }

  // Of every member of the front both verbs say what is confirmed.
  void expect_confirmed(const std::string& run, const Json& workload, const std::string& hardware) {
    ASSERT_EQ(box_.run({"export", run}).status, 0);
    const Json members = parse(file(run, "front.json"))["front"];
    ASSERT_FALSE(members.empty());
    bool predicted_alike = true;
    for (const Json& member : members) {
      const std::string name = run + "/export/" + member["id"].get<std::string>() + ".json";
      for (const char* verb : {"predict", "simulate"}) {
        SCOPED_TRACE(verb + (" " + name));
        const Json answer = priced({name}, verb);
        EXPECT_EQ(answer["cycles"].get<double>(), member["confirmed"]["latency_cycles"]);
        EXPECT_EQ(answer["energy_pj"], member["confirmed"]["energy_pj"]);
        EXPECT_EQ(answer["sequence_length"], workload["sequence_length"]);
        EXPECT_EQ(answer["mode"], workload["mode"]);
        EXPECT_EQ(answer["note"], nullptr);
      }
      predicted_alike =
          predicted_alike && member["objectives"]["energy_pj"] == member["confirmed"]["energy_pj"];
      const Json simulated = priced({name}, "simulate");
      EXPECT_EQ(simulated["hardware"]["name"], hardware.empty() ? name : hardware);
    }
    EXPECT_FALSE(predicted_alike);  // else it could not be told which one they say
  }

  std::string exported() {
    for (const auto& entry : fs::directory_iterator(box_ / "base/export"))
      if (entry.path().extension() == ".json" && entry.path().filename() != "front.json")
        return entry.path().string();
    return "";
  }
};

TEST_F(OneAnswer, OfWhatIsExported) {
  ASSERT_EQ(box_.run(resumed("search", "base")).status, 0);
  expect_confirmed("base", {{"sequence_length", 32}, {"mode", "prefill"}}, "gemmini_transformer");

  // Another accelerator, which is no preset, and other work.
  ASSERT_EQ(
      box_.run({"search", "config.json", "--run", "other", "--quiet", "--set", "supernet=base",
                "--set", R"(workload={"sequence_length":48,"mode":"decode"})", "--set",
                "hardware.l2_kib=16"})
          .status,
      0);
  expect_confirmed("other", {{"sequence_length", 48}, {"mode", "decode"}}, "");
}

TEST_F(OneAnswer, SaysWhenItIsAnother) {
  ASSERT_EQ(box_.run(resumed("search", "base")).status, 0);
  ASSERT_EQ(box_.run({"export", "base"}).status, 0);
  const std::string name = exported();
  const Json confirmed = parse(content(name))["confirmed"];
  for (const auto& [more, note] :
       {std::pair<Words, std::string>{
            {"--length", "64"},
            "not what front.json confirms, which is at length 32 (prefill, causal mask, biases, "
            "LayerNorm and GELU of int8) on gemmini_transformer"},
        {{"--mode", "decode"}, "not what front.json confirms"},
        {{"--hardware", "gemmini_cnn"}, "not what front.json confirms"}})
    for (const char* verb : {"predict", "simulate"}) {
      Words words{name};
      words.insert(words.end(), more.begin(), more.end());
      const Json answer = priced(words, verb);
      EXPECT_NE(answer["cycles"].get<double>(), confirmed["latency_cycles"]);
      EXPECT_THAT(answer["note"].get<std::string>(), HasSubstr(note));
      words.insert(words.begin(), verb);
      const Result text = box_.run(words);
      EXPECT_THAT(lines(text.out).back(), HasSubstr(note));
    }
  // The same said in other words is the same.
  const Json same =
      priced({name, "--length", "32", "--hardware", "gemmini_transformer"}, "predict");
  EXPECT_EQ(same["cycles"].get<double>(), confirmed["latency_cycles"]);
  EXPECT_EQ(same["note"], nullptr);

  // The sum that the search saw, and the slow engine.
  const Json sum = priced({name, "--predictor", "base/predictor.json"}, "predict");
  EXPECT_THAT(sum["note"].get<std::string>(), HasSubstr("a prediction: "));
  const Json slow = priced({name, "--engine", "reference"}, "simulate");
  EXPECT_THAT(slow["note"].get<std::string>(), HasSubstr("cycle by cycle"));

  // A file that was edited, and one of before they said the hardware.
  Json file = parse(content(name));
  file.erase("hardware");
  write(box_ / "old.json", file.dump());
  EXPECT_EQ(priced({"old.json"}, "predict")["cycles"], same["cycles"]);
  EXPECT_EQ(priced({"old.json"}, "predict")["note"], nullptr);
  file["confirmed"]["latency_cycles"] = 7;
  write(box_ / "edited.json", file.dump());
  EXPECT_THAT(priced({"edited.json"}, "simulate")["note"].get<std::string>(),
              HasSubstr("not what the file confirms: 7 cycles"));
  file["confirmed"] = {{"validation_loss", 1}, {"perplexity", 3}};
  write(box_ / "measured.json", file.dump());
  EXPECT_THAT(priced({"measured.json"}, "predict")["note"].get<std::string>(),
              HasSubstr("front.json confirms no cycles"));
  for (const auto& [key, value, part] :
       {std::tuple{"/provenance/sequence_length", Json(0), "/provenance/sequence_length: 0"},
        {"/provenance/mode", Json("train"), "/provenance/mode: \"train\""},
        {"/confirmed/latency_cycles", Json("many"), "/confirmed/latency_cycles: \"many\""},
        {"/hardware/array_size", Json(3), "/hardware/array_size: 3"}}) {
    Json bad = parse(content(name));
    bad[Json::json_pointer(key)] = value;
    write(box_ / "bad.json", bad.dump());
    for (const char* verb : {"predict", "simulate"})
      expect_refused({verb, "bad.json"}, {std::string("bad.json: ") + part});
  }
}

TEST_F(OneAnswer, OfANetworkThatFitsNoMemory) {
  // 300 layers of 8 MiB and more.
  Json huge{{"model_width", 2048}, {"head_width", 64}};
  for (int layer = 0; layer < 300; ++layer)
    huge["layers"].push_back({{"heads", 1}, {"ffn_width", 2048}});
  write(box_ / "huge.json", huge.dump());
  const Json predicted = priced({"huge.json", "--mode", "decode", "--length", "16"}, "predict");
  const Json simulated = priced({"huge.json", "--mode", "decode", "--length", "16"}, "simulate");
  EXPECT_EQ(predicted["cycles"], simulated["cycles"]);
  for (const Json& answer : {predicted, simulated})
    EXPECT_THAT(answer["note"].get<std::string>(),
                HasSubstr("operators by themselves, from cold caches: "));
  const latency_predictor::LatencyPredictor sums(accel_sim::find_target("gemmini_transformer"),
                                                 {16, accel_sim::Mode::kDecode});
  EXPECT_EQ(predicted["cycles"], sums.predict(architecture_from_json(JsonNode(
                                                  parse(content(box_ / "huge.json")), "huge.json")))
                                     .latency.value());
}

}  // namespace
}  // namespace paretoformer::integration
