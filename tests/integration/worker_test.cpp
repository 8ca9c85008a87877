// A search whose candidates workers measure has the results of one that was left alone.
#include <gmock/gmock.h>

#include <set>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using testing::HasSubstr;

class Workers : public TrainedFolder {
 protected:
  Workers() : TrainedFolder(64) {}

  void SetUp() override {
    TrainedFolder::SetUp();
    copy("base", "alone");
    copy("base", "run");
    const Result alone = box_.run(resumed("search", "alone"));
    ASSERT_EQ(alone.status, 0) << alone.err;
  }

  // Runs `body` while so many workers are at work.
  std::vector<Result> with_workers(int count, const std::function<void(pid_t)>& body) {
    std::vector<Result> results;
    Limits limits;
    limits.meanwhile = [&](pid_t child) {
      if (count > 1) {
        results = with_workers(count - 1, body);
      } else {
        body(child);
      }
    };
    results.push_back(box_.run({"worker", "run", "-v", "--lease", "1"}, limits));
    return results;
  }

  std::vector<std::string> in_folder(const std::string& part) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (fs::directory_iterator entry(box_ / "run/workers", ignored);
         !ignored && entry != fs::directory_iterator(); entry.increment(ignored))
      if (entry->path().filename().string().find(part) != std::string::npos)
        names.push_back(entry->path().filename().string());
    return names;
  }

  void wait_for_workers(std::size_t count) {
    for (int i = 0; i < 3000 && in_folder("worker.").size() < count; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(in_folder("worker.").size(), count);
  }

  // Whether the process holds a claim and has not answered.
  bool is_measuring(pid_t worker) {
    for (const std::string& name : in_folder(".claim.")) {
      const bool its =
          content(box_ / ("run/workers/" + name)).find("." + std::to_string(worker) + ".") !=
          std::string::npos;
      const std::string task = name.substr(0, name.find('.'));
      if (its && in_folder(task + ".answer").empty() && !in_folder(task + ".task").empty())
        return true;
    }
    return false;
  }

  // Sends a signal while the worker measures: it is stopped first, to see that it does.
  bool signal_while_measuring(pid_t worker, int signal) {
    for (int i = 0; i < 100000; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (!is_measuring(worker)) continue;
      ::kill(worker, SIGSTOP);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const bool measuring = is_measuring(worker);
      if (measuring) ::kill(worker, signal);
      ::kill(worker, SIGCONT);
      if (measuring) return true;
    }
    return false;
  }

  void expect_as_alone() {
    expect_same("run", "alone", kSearchResults);
    EXPECT_FALSE(fs::exists(box_ / "run/workers")) << ::testing::PrintToString(box_.files());
  }

  static std::vector<std::string> tasks_of(const Result& worker) {
    std::vector<std::string> tasks;
    for (const std::string& line : lines(worker.err))
      if (line.ends_with(" losses") && line.find(": ") == 16) tasks.push_back(line.substr(0, 16));
    return tasks;
  }
};

TEST_F(Workers, GiveTheSameBitsAndMeasureNothingTwice) {
  Result search;
  const std::vector<Result> workers = with_workers(2, [&](pid_t) {
    wait_for_workers(2);
    search = box_.run(resumed("search", "run"));
  });
  EXPECT_EQ(search.status, 0) << search.err;
  expect_as_alone();
  std::set<std::string> tasks;
  std::size_t count = 0;
  for (const Result& worker : workers) {
    EXPECT_EQ(worker.status, 0) << worker.err;
    EXPECT_THAT(worker.out, HasSubstr("the search is over: "));
    for (const std::string& task : tasks_of(worker)) tasks.insert(task);
    count += tasks_of(worker).size();
  }
  EXPECT_GT(count, 10u);
  EXPECT_EQ(tasks.size(), count);
}

TEST_F(Workers, OneIsKilledAndItsTaskTakenOver) {
  Result search;
  const std::vector<Result> workers = with_workers(2, [&](pid_t one) {
    wait_for_workers(2);
    Limits limits;
    limits.meanwhile = [&](pid_t) { EXPECT_TRUE(signal_while_measuring(one, SIGKILL)); };
    search = box_.run({"search", "run", "--resume"}, limits);
  });
  EXPECT_EQ(search.status, 0) << search.err;
  EXPECT_THAT(search.err + workers[1].err, HasSubstr(": has not been heard of; its work is done"));
  EXPECT_EQ(workers[0].status, -SIGKILL);
  EXPECT_EQ(workers[1].status, 0) << workers[1].err;
  expect_as_alone();
}

TEST_F(Workers, StayWhileASearchIsKilledAndResumed) {
  const std::vector<Result> workers = with_workers(1, [&](pid_t) {
    wait_for_workers(1);
    const Result killed = box_.run_and_signal(resumed("search", "run"), SIGKILL, [&] {
      return line_count(box_ / "run/history.jsonl") >= 16 && !in_folder(".task").empty();
    });
    EXPECT_EQ(killed.status, -SIGKILL);
    const Result resumed_search = box_.run(resumed("search", "run"));
    EXPECT_EQ(resumed_search.status, 0) << resumed_search.err;
  });
  EXPECT_EQ(workers[0].status, 0) << workers[0].err;
  expect_as_alone();
}

TEST_F(Workers, ASignalLeavesNoClaims) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::vector<Result> workers = with_workers(1, [&](pid_t worker) {
      wait_for_workers(1);
      Limits limits;
      limits.meanwhile = [&](pid_t search) {
        EXPECT_TRUE(signal_while_measuring(worker, signal));
        ::kill(search, SIGKILL);  // so that it takes nothing over
        for (int i = 0; i < 1000 && !in_folder("worker.").empty(); ++i)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
      };
      box_.run(resumed("search", "run"), limits);
      for (const std::string& name : in_folder(".claim.")) {
        const bool answered = !in_folder(name.substr(0, name.find('.')) + ".answer").empty();
        const std::string claim = content(box_ / ("run/workers/" + name));
        // The search may have been killed before it wrote its name into a claim.
        const bool of_search = claim.empty() || claim.find("search.") != std::string::npos;
        EXPECT_TRUE(answered || of_search) << name << ": " << claim;
      }
    });
    EXPECT_EQ(workers[0].status, 130);
    EXPECT_EQ(lines(workers[0].err).back(), "paretoformer: interrupted");
    EXPECT_TRUE(in_folder("worker.").empty());
  }
  const Result search = box_.run(resumed("search", "run"));
  EXPECT_EQ(search.status, 0) << search.err;
  expect_as_alone();
}

TEST_F(Workers, AreNotNeededWhenTheSearchIsOver) {
  const auto before = snapshot();
  const Result late = box_.run({"worker", "alone", "--json", "--quiet"});
  EXPECT_EQ(late.status, 0) << late.err;
  const Json answer = parse(late.out);
  EXPECT_EQ(answer["ended"], "over");
  EXPECT_EQ(answer["losses"], 0);
  EXPECT_TRUE(snapshot() == before);
  expect_refused({"worker", "nowhere"}, {"nowhere: is not a run folder"});
}

TEST_F(Workers, GoWhenThereIsNothingToDo) {
  const Result idle = box_.run({"worker", "run", "--idle", "0.3"});
  EXPECT_EQ(idle.status, 0) << idle.err;
  EXPECT_EQ(idle.out, "nothing to do: 0 losses measured in 0 tasks\n");
}

}  // namespace
}  // namespace paretoformer::integration
