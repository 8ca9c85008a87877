// Runs on several ranks have the results of one, and end with a line when a rank does.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using testing::HasSubstr;

class Mpi : public TrainedFolder {
 protected:
  Mpi() : TrainedFolder(0) { config_["search"]["evaluations"] = 120; }

  void SetUp() override {
#ifndef PARETOFORMER_MPI
    GTEST_SKIP() << "this build is without MPI: -DPARETOFORMER_MPI=ON";
#endif
    TrainedFolder::SetUp();
    copy("base", "alone");
    const Result alone = box_.run(resumed("search", "alone"));
    ASSERT_EQ(alone.status, 0) << alone.err;
  }

  // All on this machine, which has fewer cores than that.
  Result on_ranks(int ranks, const Words& arguments, Limits limits = {}) {
    limits.binary = "/usr/bin/env";
    Words words{"mpirun", "--allow-run-as-root", "--oversubscribe",  "--bind-to", "none",
                "-n",     std::to_string(ranks), PARETOFORMER_BINARY};
    words.insert(words.end(), arguments.begin(), arguments.end());
    limits.environment.emplace_back("PARETOFORMER_SILENCE=2");  // which mpirun passes on here
    return box_.run(words, limits);
  }

  // In four shards, for so many steps, each of which is saved; alone.
  void train_in_shards(int steps, const std::string& folder) {
    config_["training"]["steps"] = steps;
    config_["training"]["shards"] = 4;
    config_["training"]["checkpoint_seconds"] = 0;
    write(box_ / "config.json", config_.dump());
    const Result whole = box_.run({"train", "config.json", "--quiet", "--run", folder});
    ASSERT_EQ(whole.status, 0) << whole.err;
  }
  std::string phase(const std::string& folder) {
    return parse(file(folder, "state.json")).at("phase").get<std::string>();
  }

  // The process of a rank below `mpirun`; 0: none yet.
  static pid_t process_of(int rank, pid_t mpirun) {
    std::error_code ignored;
    for (fs::directory_iterator entry("/proc", ignored); entry != fs::directory_iterator();
         entry.increment(ignored)) {
      const std::string name = entry->path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const std::string environment = content(entry->path() / "environ");
      const auto has = [&](const std::string& variable) {
        return environment.find('\0' + variable + '\0') != std::string::npos;
      };
      std::string parent;
      for (const std::string& line : lines(content(entry->path() / "status")))
        if (line.starts_with("PPid:\t")) parent = line.substr(6);
      if (parent == std::to_string(mpirun) && has("OMPI_COMM_WORLD_RANK=" + std::to_string(rank)))
        return std::stoi(name);
    }
    return 0;
  }

  // Three ranks, one of which gets a signal when a file of the run has so many lines.
  Result with_signal_to(int rank, int signal, const Words& arguments, const std::string& file,
                        std::size_t count) {
    Limits limits;
    limits.meanwhile = [&](pid_t mpirun) {
      for (int i = 0; i < 20000 && line_count(box_ / ("run/" + file)) < count; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const pid_t process = process_of(rank, mpirun);
      ASSERT_NE(process, 0);
      ::kill(process, signal);
    };
    return on_ranks(3, arguments, limits);
  }
  // In the middle of a search.
  Result with_signal_to(int rank, int signal) {
    copy("base", "run");
    return with_signal_to(rank, signal, resumed("search", "run"), "history.jsonl", 24);
  }

  void expect_goes_on(int ranks) {
    const Result rest =
        ranks == 0 ? box_.run(resumed("search", "run")) : on_ranks(ranks, resumed("search", "run"));
    EXPECT_EQ(rest.status, 0) << rest.err;
    expect_same("run", "alone", kSearchResults);
  }
};

TEST_F(Mpi, AnyNumberOfRanksGivesTheSameBits) {
  for (const int ranks : {1, 2, 3, 5})
    for (const char* threads : {"1", "2"}) {
      SCOPED_TRACE(std::to_string(ranks) + " ranks, " + threads + " threads");
      copy("base", "run");
      const Result search = on_ranks(ranks, resumed("search", "run", {"--threads", threads}));
      ASSERT_EQ(search.status, 0) << search.err;
      EXPECT_EQ(search.err, "");
      expect_same("run", "alone", kSearchResults);
      EXPECT_EQ(fs::file_size(box_ / "run/losses.cache"),
                fs::file_size(box_ / "alone/losses.cache"));
      fs::remove_all(box_ / "run");
    }
}

TEST_F(Mpi, AWholeRunFromItsTrainingOn) {
  const Result search = on_ranks(2, {"search", "config.json", "--quiet", "--run", "run"});
  ASSERT_EQ(search.status, 0) << search.err;
  expect_same("run", "alone", kSearchResults);
  expect_same("run", "alone", {"training.jsonl", "supernet.safetensors", "convergence.jsonl"});
}

constexpr const char* kTraining[] = {"training.jsonl", "supernet.safetensors", "convergence.jsonl"};

TEST_F(Mpi, TrainingInShardsHasTheSameBits) {
  train_in_shards(24, "whole");
  for (const int ranks : {1, 2, 3, 5})
    for (const char* threads : {"1", "2"}) {
      SCOPED_TRACE(std::to_string(ranks) + " ranks, " + threads + " threads");
      const Result train = on_ranks(
          ranks, {"train", "config.json", "--quiet", "--run", "run", "--threads", threads});
      ASSERT_EQ(train.status, 0) << train.err;
      EXPECT_EQ(train.err, "");
      expect_same("run", "whole", {std::begin(kTraining), std::end(kTraining)});
      fs::remove_all(box_ / "run");
    }
}

TEST_F(Mpi, TrainingInShardsIsResumedOnAnyNumberOfRanks) {
  train_in_shards(200, "whole");
  const Words words{"train", "config.json", "--quiet", "--run", "run"};
  for (const int rank : {1, 2, 0}) {
    const Result killed = with_signal_to(rank, SIGKILL, words, "training.jsonl", 20);
    EXPECT_NE(killed.status, 0);
    EXPECT_THAT(killed.err, HasSubstr("rank " + std::to_string(rank)));
    EXPECT_EQ(phase("run"), "training");
    const Result rest =
        rank == 0 ? box_.run(resumed("train", "run")) : on_ranks(rank, resumed("train", "run"));
    EXPECT_EQ(rest.status, 0) << rest.err;
    expect_same("run", "whole", {std::begin(kTraining), std::end(kTraining)});
    fs::remove_all(box_ / "run");
  }
  const Result hung = with_signal_to(1, SIGSTOP, words, "training.jsonl", 20);
  EXPECT_NE(hung.status, 0);
  EXPECT_THAT(hung.err, HasSubstr("has not been heard of for 2 s"));
  EXPECT_EQ(box_.run(resumed("train", "run")).status, 0);
  expect_same("run", "whole", {std::begin(kTraining), std::end(kTraining)});
}

// Every network is begun by one rank, and after a second, or after the rank's death, gone on with
// by another.
TEST_F(Mpi, FidelityIsTheSame) {
  const Words words{"--networks", "4", "--steps-alone", "3000"};
  ASSERT_EQ(box_.run(resumed("fidelity", "alone", words)).status, 0);
  copy("base", "run");
  Limits limits;
  limits.meanwhile = [&](pid_t mpirun) {
    const auto checkpoints = [&] {
      std::error_code missing;
      std::size_t count = 0;
      for (fs::directory_iterator entry(box_ / "run/fidelity", missing);
           entry != fs::directory_iterator(); entry.increment(missing))
        count += entry->path().extension() == ".checkpoint";
      return count;
    };
    for (int i = 0; i < 20000 && checkpoints() < 3; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const pid_t process = process_of(2, mpirun);
    ASSERT_NE(process, 0);
    ::kill(process, SIGKILL);
  };
  const Result killed = on_ranks(3, resumed("fidelity", "run", words), limits);
  EXPECT_NE(killed.status, 0);
  EXPECT_THAT(killed.err, HasSubstr("rank 2"));
  EXPECT_FALSE(fs::exists(box_ / "run/fidelity.json"));
  const Result rest = on_ranks(2, resumed("fidelity", "run", words));
  EXPECT_EQ(rest.status, 0) << rest.err;
  expect_same("run", "alone", {"fidelity.json", "fidelity.svg"});
  for (const auto& entry : fs::directory_iterator(box_ / "alone/fidelity"))
    expect_same("run", "alone", {"fidelity/" + entry.path().filename().string()});
}

TEST_F(Mpi, ComparisonsAreTheSame) {
  copy("base", "run");
  const Words words{"--seeds", "2", "--algorithms", "evolution,random"};
  ASSERT_EQ(box_.run(resumed("compare", "alone", words)).status, 0);
  const Result compared = on_ranks(3, resumed("compare", "run", words));
  EXPECT_EQ(compared.status, 0) << compared.err;
  expect_same("run", "alone", {"compare.json", "compare.svg", "losses.txt"});
}

TEST_F(Mpi, ARankThatIsKilledEndsTheRunWhichGoesOnWithOthers) {
  const Result killed = with_signal_to(2, SIGKILL);
  EXPECT_NE(killed.status, 0);
  EXPECT_THAT(killed.err, HasSubstr("rank 2"));
  EXPECT_GE(line_count(box_ / "run/history.jsonl"), 24u);
  expect_goes_on(2);
}

TEST_F(Mpi, RankZeroIsNoException) {
  EXPECT_NE(with_signal_to(0, SIGKILL).status, 0);
  expect_goes_on(0);
}

TEST_F(Mpi, ARankThatIsKilledWhileTheOthersTrain) {
  config_["training"]["steps"] = 200;
  config_["training"]["checkpoint_seconds"] = 0;
  write(box_ / "config.json", config_.dump());
  ASSERT_EQ(box_.run({"train", "config.json", "--quiet", "--run", "whole"}).status, 0);
  for (const int rank : {1, 0}) {
    const Result killed = with_signal_to(
        rank, SIGKILL, {"train", "config.json", "--quiet", "--run", "run"}, "training.jsonl", 20);
    EXPECT_NE(killed.status, 0);
    const Result rest = on_ranks(2, resumed("train", "run"));
    EXPECT_EQ(rest.status, 0) << rest.err;
    expect_same("run", "whole", {"training.jsonl", "supernet.safetensors", "convergence.jsonl"});
    fs::remove_all(box_ / "run");
  }
}

TEST_F(Mpi, ARankThatHangsIsNoticed) {
  for (const int rank : {1, 0}) {
    const Result hung = with_signal_to(rank, SIGSTOP);
    EXPECT_NE(hung.status, 0);
    EXPECT_THAT(hung.err, testing::ContainsRegex("paretoformer: rank " + std::to_string(rank) +
                                                 " .*has not been heard of for 2 s; continue"));
    expect_goes_on(0);
    fs::remove_all(box_ / "run");
  }
}

TEST_F(Mpi, AnErrorIsSaidOnce) {
  const Result unknown = on_ranks(3, {"search", "nowhere.json"});
  EXPECT_NE(unknown.status, 0);
  EXPECT_THAT(unknown.err, HasSubstr("paretoformer: configuration \"nowhere.json\" is neither"));
  EXPECT_EQ(unknown.err.find("paretoformer: "), unknown.err.rfind("paretoformer: ")) << unknown.err;
}

TEST(WithoutMpi, SeveralProcessesAreRefused) {
#ifdef PARETOFORMER_MPI
  GTEST_SKIP() << "this build has MPI";
#endif
  const Sandbox box;
  Limits limits;
  limits.environment = {"OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=2"};
  const Result refused = box.run({"search", "quickstart"}, limits);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("built without MPI"));
  EXPECT_TRUE(box.files().empty());
}

}  // namespace
}  // namespace paretoformer::integration
