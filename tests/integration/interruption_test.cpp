// Ctrl-C and SIGTERM: every verb ends on the first one, whatever it is doing, with one line and
// 130.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using testing::HasSubstr;

void wait_a_moment() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

bool has_ended(pid_t child) {
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
  return ended.si_pid == child;
}

// Processor time so far, in ticks of 10 ms: start-up takes one or two.
long ticks(pid_t child) {
  const std::string stat = content("/proc/" + std::to_string(child) + "/stat");
  std::istringstream words(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string word;
  for (int i = 0; i < 11; ++i) words >> word;
  long user = 0, system = 0;
  words >> user >> system;
  return user + system;
}

class Interruption : public TrainedFolder {
 protected:
  // What a signal does to `arguments` that read a FIFO, "fifo", which nobody writes to.
  Result while_blocked(const Words& arguments, int signal) {
    Limits limits;
    limits.meanwhile = [&](pid_t child) {
      int writer = -1;  // cannot be opened before there is a reader
      while ((writer = ::open((box_ / "fifo").c_str(), O_WRONLY | O_NONBLOCK)) < 0) {
        if (has_ended(child)) return;
        wait_a_moment();
      }
      ::kill(child, signal);
      siginfo_t ended{};
      ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
      ::close(writer);
    };
    return box_.run(arguments, limits);
  }

  // The same while they compute.
  Result while_busy(const Words& arguments, int signal) {
    Limits limits;
    limits.meanwhile = [&](pid_t child) {
      while (ticks(child) < 20) {
        if (has_ended(child)) return;
        wait_a_moment();
      }
      ::kill(child, signal);
    };
    return box_.run(arguments, limits);
  }

  void expect_ended(const Result& result, const std::string& line) {
    EXPECT_EQ(result.status, 130);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, "paretoformer: " + line + "\n");
  }

  void make_fifo(const std::string& name) {
    fs::remove(box_ / name);
    ASSERT_EQ(::mkfifo((box_ / name).c_str(), 0600), 0);
  }
};

TEST_F(Interruption, EndsWhatWaitsForAFile) {
  write(box_ / "net.json",
        R"({"model_width": 32, "head_width": 16, "vocabulary": 330,
            "layers": [{"heads": 1, "ffn_width": 32}]})");
  ASSERT_EQ(box_.run({"search", "base", "--resume", "--quiet"}).status, 0);
  make_fifo("fifo");
  const auto before = box_.files();
  const Words verbs[] = {{"predict", "net.json", "--hardware", "fifo"},
                         {"predict", "fifo"},
                         {"predict", "net.json", "--predictor", "fifo"},
                         {"simulate", "fifo"},
                         {"simulate", "--mapping", "fifo"},
                         {"profile", "fifo"},
                         {"map", "--m", "4", "--k", "4", "--n", "4", "--hardware", "fifo"},
                         {"predictor", "build", "--hardware", "fifo", "--output", "p"},
                         {"predictor", "check", "fifo"},
                         {"predictor", "fit", "--hardware", "fifo", "--output", "p"},
                         {"predictor", "operators", "--space", "fifo"},
                         {"predictor", "import", "fifo", "--device", "d", "--output", "p"},
                         {"evaluate", "base", "fifo"},
                         {"validate", "fifo"},
                         {"search", "fifo"},
                         {"train", "fifo", "--run", "new"},
                         {"compare", "fifo", "--run", "new"},
                         {"fidelity", "fifo", "--run", "new"}};
  for (const Words& verb : verbs) {
    SCOPED_TRACE(::testing::PrintToString(verb));
    for (int signal : {SIGINT, SIGTERM}) expect_ended(while_blocked(verb, signal), "interrupted");
  }
  EXPECT_EQ(box_.files(), before);

  // Of a run's own files.
  fs::remove(box_ / "fifo");
  fs::rename(box_ / "base/history.jsonl", box_ / "history.jsonl");
  fs::create_symlink("../fifo", box_ / "base/history.jsonl");
  make_fifo("fifo");
  for (const Words& verb :
       {Words{"report", "base"}, Words{"export", "base"}, Words{"finetune", "base", "--id", "0"}}) {
    SCOPED_TRACE(::testing::PrintToString(verb));
    for (int signal : {SIGINT, SIGTERM}) expect_ended(while_blocked(verb, signal), "interrupted");
  }
}

TEST_F(Interruption, EndsWhatComputes) {
  Json net{{"model_width", 16384}, {"head_width", 16384}, {"vocabulary", 1000}};
  for (int layer = 0; layer < 500; ++layer)
    net["layers"].push_back({{"heads", 4}, {"ffn_width", 16384 - layer}});
  write(box_ / "huge.json", net.dump());
  config_["corpus"]["train_bytes"] = 1'000'000'000;
  config_["run"] = "new/run";
  write(box_ / "long.json", config_.dump());
  const auto before = box_.files();
  const Words verbs[] = {
      {"predict", "huge.json", "--length", "4096"},
      {"simulate", "huge.json", "--length", "4096", "--trace", "trace.json"},
      {"simulate", "--gemm", "2048,2048,2048", "--engine", "reference"},
      {"predictor", "build", "--space", "survey", "--length", "4096", "--networks", "1000000",
       "--output", "p", "-q"},
      {"predictor", "fit", "--samples", "500", "--output", "p", "-q"},
      {"map", "--m", "1048576", "--k", "1048576", "--n", "1048576", "--samples", "10000000", "-q"},
      {"validate", "long.json"},
      {"search", "long.json", "-q"}};
  for (const Words& verb : verbs) {
    SCOPED_TRACE(::testing::PrintToString(verb));
    for (int signal : {SIGINT, SIGTERM}) expect_ended(while_busy(verb, signal), "interrupted");
    fs::remove(box_ / "new");
    EXPECT_EQ(box_.files(), before);  // nor a run that has not begun
  }
}

// The parts of a run between those that ask whether they are to stop.
TEST_F(Interruption, SaysThatARunCanBeResumed) {
  // The weights are there: what follows is to read them.
  copy("base", "run");
  fs::rename(box_ / "run/supernet.safetensors", box_ / "weights");
  fs::create_symlink("../fifo", box_ / "run/supernet.safetensors");
  make_fifo("fifo");
  expect_ended(while_blocked(resumed("search", "run"), SIGINT),
               "interrupted; continue with --resume");
  fs::rename(box_ / "weights", box_ / "run/supernet.safetensors");
  EXPECT_EQ(box_.run(resumed("search", "run")).status, 0);
}

TEST_F(Interruption, FinetuneSavesAndGoesOn) {
  ASSERT_EQ(box_.run(resumed("search", "base")).status, 0);
  const Json front = parse(file("base", "front.json"));
  const Words words{"finetune", "base",    "--id",  front["front"][0]["id"].get<std::string>(),
                    "--quiet",  "--steps", "100000"};
  const Result stopped = box_.run_and_signal(words, SIGTERM, [&] {
    if (!fs::exists(box_ / "base/finetune")) return false;
    for (const auto& entry : fs::directory_iterator(box_ / "base/finetune"))
      if (entry.path().extension() == ".checkpoint") return true;
    return false;
  });
  EXPECT_EQ(stopped.status, 130);
  EXPECT_EQ(lines(stopped.err).size(), 1u) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("interrupted: training stopped after "));
  EXPECT_THAT(stopped.err, HasSubstr("; continue with --resume"));
}

}  // namespace
}  // namespace paretoformer::integration
