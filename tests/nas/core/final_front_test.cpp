#include "nas/core/final_front.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Objectives objectives(double perplexity, double cycles, double energy = 1) {
  Objectives result;
  result.perplexity = perplexity;
  result.validation_loss = std::log(perplexity);
  result.latency = cycles;
  result.energy_pj = energy;
  result.parameters = 1;
  return result;
}

// Candidates of model width 16, 32, ... with these objectives.
Archive archive_of(const std::vector<Objectives>& all, std::vector<Limit> limits = {},
                   std::vector<Objective> chosen = {Objective::kPerplexity, Objective::kLatency}) {
  Archive archive(std::move(chosen), std::move(limits));
  for (const Objectives& each : all) {
    Candidate c;
    c.architecture = {16 * static_cast<int>(archive.size() + 1), 16, 0, {{1, 32}}};
    c.id = architecture_id(c.architecture);
    c.objectives = each;
    archive.add(c);
  }
  return archive;
}

std::vector<double> perplexities(const FinalFront& front) {
  std::vector<double> result;
  for (const FrontMember& member : front.members) result.push_back(member.confirmed.perplexity);
  return result;
}

TEST(FinalFront, WithoutAConfirmationItIsTheArchivesFront) {
  const Archive archive = archive_of({objectives(3, 300), objectives(2, 400), objectives(4, 350)});
  const FinalFront front = predicted_front(archive);
  EXPECT_FALSE(front.confirmed);
  EXPECT_TRUE(front.dropped.empty());
  EXPECT_THAT(perplexities(front), ElementsAre(2, 3));
  EXPECT_EQ(front.members[0].candidate, archive.candidates()[1]);
}

TEST(FinalFront, DroppedWhenAnotherMemberDominatesItNow) {
  // The front is 2, 3, 4. Confirmed, the middle one takes more cycles than the first, and the last
  // one is as good as it was.
  const Archive archive = archive_of({objectives(2, 400), objectives(3, 300), objectives(4, 200)});
  const FinalFront front =
      judge_front(archive, {objectives(2.1, 400), objectives(3, 401), objectives(4, 199)});
  EXPECT_TRUE(front.confirmed);
  EXPECT_THAT(perplexities(front), ElementsAre(2.1, 4));
  EXPECT_EQ(front.members[0].candidate.objectives, objectives(2, 400));  // as the search saw it
  ASSERT_EQ(front.dropped.size(), 1u);
  EXPECT_EQ(front.dropped[0].member.candidate, archive.candidates()[1]);
  EXPECT_EQ(front.dropped[0].dominated_by, archive.candidates()[0].id);
  EXPECT_FALSE(front.dropped[0].limit.has_value());
}

TEST(FinalFront, OrderedByTheConfirmedObjectives) {
  const Archive archive = archive_of({objectives(2, 400), objectives(3, 300)});
  const FinalFront front = judge_front(archive, {objectives(5, 100), objectives(3, 300)});
  EXPECT_THAT(perplexities(front), ElementsAre(3, 5));
  EXPECT_EQ(front.members[0].candidate, archive.candidates()[1]);
}

TEST(FinalFront, DroppedWhenItBreaksALimitAndThenDominatesNothing) {
  const Limit limit{Objective::kLatency, 400};
  const Archive archive = archive_of({objectives(2, 400), objectives(3, 390)}, {limit});
  // The first one is better in both, but over the limit.
  const FinalFront front = judge_front(archive, {objectives(2, 401), objectives(3, 390)});
  EXPECT_THAT(perplexities(front), ElementsAre(3));
  ASSERT_EQ(front.dropped.size(), 1u);
  EXPECT_EQ(front.dropped[0].limit, limit);
  EXPECT_EQ(front.dropped[0].dominated_by, 0u);
}

TEST(FinalFront, NothingMayBeLeft) {
  const Archive archive = archive_of({objectives(2, 400)}, {{Objective::kLatency, 400}});
  const FinalFront front = judge_front(archive, {objectives(2, 500)});
  EXPECT_TRUE(front.members.empty());
  EXPECT_EQ(front.dropped.size(), 1u);
  EXPECT_FALSE(knee(front).has_value());
  ASSERT_EQ(best_within(front).size(), 1u);
  EXPECT_FALSE(best_within(front)[0].member.has_value());
  EXPECT_THROW(judge_front(archive, {}), Error);
}

// Losses 0, 1, 2, 3 ... hundredths, each told apart from 1.5 hundredths on: every second one is
// shown, and the knee, which is the fifth, and the ends in any case.
TEST(FinalFront, ShowsMembersThatTheTextTellsApart) {
  std::vector<Objectives> line;
  for (int i = 0; i < 8; ++i)
    line.push_back(objectives(std::exp(0.01 * i), std::pow(2.0, i < 5 ? -i : -4 - 0.1 * i)));
  for (Objectives& each : line) each = with_loss(each, std::log(each.perplexity));
  const FinalFront front = predicted_front(archive_of(line));
  EXPECT_EQ(distinct_members(front, 0).indices.size(), 8u);
  const std::vector<std::size_t> shown = distinct_members(front, 0.015).indices;
  const std::set<std::size_t> all(shown.begin(), shown.end());
  EXPECT_TRUE(all.contains(0) && all.contains(7) && all.contains(*knee(front)));
  for (const BestWithin& best : best_within(front)) EXPECT_TRUE(all.contains(*best.member));
  EXPECT_THAT(shown, ElementsAre(0, 2, 4, 6, 7));
}

// The same line of 8. With room for five the distance grows, from the 0.01 of neighbours, until
// every second one is left; and however little room there is, the named ones stay: the ends 0 and
// 7, the knee 4, and 7 again, which is the cheapest within 0.1 and within 1.
TEST(FinalFront, ShowsNoMoreThanThereIsRoomFor) {
  std::vector<Objectives> line;
  for (int i = 0; i < 8; ++i)
    line.push_back(objectives(std::exp(0.01 * i), std::pow(2.0, i < 5 ? -i : -4 - 0.1 * i)));
  for (Objectives& each : line) each = with_loss(each, std::log(each.perplexity));
  const FinalFront front = predicted_front(archive_of(line));
  EXPECT_EQ(distinct_members(front, 0, 8).indices.size(), 8u);
  const ShownMembers five = distinct_members(front, 0, 5);
  EXPECT_THAT(five.indices, ElementsAre(0, 2, 4, 6, 7));
  EXPECT_GT(five.least, 0.01);
  EXPECT_LE(five.least, 0.02);
  EXPECT_THAT(distinct_members(front, 0, 1).indices, ElementsAre(0, 4, 7));
}

class ChosenMembers : public ::testing::Test {
 protected:
  std::vector<std::size_t> chosen(const MemberChoice& choice) const {
    return chosen_members(front_, choice);
  }
  std::string id(std::size_t member) const { return hex(front_.members[member].candidate.id); }
  void expect_refused(const MemberChoice& choice, const char* message) const {
    try {
      chosen(choice);
      ADD_FAILURE() << "expected: " << message;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }

  // Of (1, 1e5), (10, 1e3), (100, 50), (10^4, 10) the third is the knee (below).
  FinalFront front_ = predicted_front(archive_of(
      {objectives(1, 1e5), objectives(10, 1e3), objectives(100, 50), objectives(1e4, 1e1)}));
};

TEST_F(ChosenMembers, AreAllOrAsSaid) {
  EXPECT_THAT(chosen({}), ElementsAre(0, 1, 2, 3));
  MemberChoice choice;
  choice.knee = true;
  EXPECT_THAT(chosen(choice), ElementsAre(2));
  choice = {};
  choice.id = id(1);
  EXPECT_THAT(chosen(choice), ElementsAre(1));
  choice = {};
  choice.best = Objective::kLatency;
  EXPECT_THAT(chosen(choice), ElementsAre(3));
  choice.best = Objective::kPerplexity;
  EXPECT_THAT(chosen(choice), ElementsAre(0));
  choice.limits = {{Objective::kLatency, 1e3}};  // 1000 cycles are within
  EXPECT_THAT(chosen(choice), ElementsAre(1));
  choice.best.reset();
  EXPECT_THAT(chosen(choice), ElementsAre(1, 2, 3));
  choice.limits.push_back({Objective::kPerplexity, 100});
  EXPECT_THAT(chosen(choice), ElementsAre(1, 2));
}

TEST_F(ChosenMembers, AreRefusedWhereThereIsNone) {
  MemberChoice choice;
  choice.limits = {{Objective::kLatency, 9}};
  expect_refused(choice, "none of the front's 4 members keeps the limits");
  choice = {};
  choice.id = "x";
  expect_refused(choice, "\"x\" is that of 0 members");
  choice = {};
  choice.best = Objective::kPerplexityInt8;
  expect_refused(choice, "perplexity_int8: is not known of member");
  choice = {};
  choice.limits = {{Objective::kPerplexityInt8, 9}};
  expect_refused(choice, "perplexity_int8: is not known of member");
}

TEST(Knee, FarthestFromTheLineThroughTheEnds) {
  // log10 of the cycles 5, 3, 2, 1 is scaled to 1, 0.5, 0.25, 0; perplexities 1, 10, 100, 10^4 to
  // 0, 0.25, 0.5, 1. Distances from the line are (1 - sum) / sqrt 2: 0, 0.25, 0.25, 0 over sqrt 2,
  // and the first of the equal ones counts.
  const std::vector<Objectives> four{objectives(1, 1e5), objectives(10, 1e3), objectives(100, 1e2),
                                     objectives(1e4, 1e1)};
  EXPECT_EQ(knee(predicted_front(archive_of(four))), 1u);
  // With 50 cycles instead of 100 the third is at 0.175 + 0.5: farther by 0.075.
  std::vector<Objectives> nearer = four;
  nearer[2].latency = 50;
  EXPECT_EQ(knee(predicted_front(archive_of(nearer))), 2u);
  // By what is confirmed, not by what the search saw.
  EXPECT_EQ(knee(judge_front(archive_of(four), nearer)), 2u);
}

TEST(Knee, ThreeObjectives) {
  // Logarithms scaled to [0, 1]: (0, 1, 1), (1, 0, 0.5), (0.5, 0.25, 0). The first and the mean of
  // the other two add up to 1, 1.25, 0.625.
  const Archive archive =
      archive_of({objectives(1, 1e4, 1e2), objectives(1e2, 1, 1e1), objectives(1e1, 1e1, 1)}, {},
                 {Objective::kPerplexity, Objective::kLatency, Objective::kEnergy});
  const FinalFront front = predicted_front(archive);
  ASSERT_EQ(front.members.size(), 3u);
  EXPECT_EQ(front.members[*knee(front)].candidate, archive.candidates()[2]);
}

TEST(Knee, CostsThatFallTogetherCountAsOne) {
  // (0, 1, 1), (0.3, 0.4, 0.4), (1, 0, 0): 1, 0.7, 1. The plain sum, 2, 1.1 and 1, would choose the
  // cheapest.
  const Archive archive = archive_of(
      {objectives(1, 1e4, 1e4), objectives(std::pow(10, 1.2), std::pow(10, 1.6), std::pow(10, 1.6)),
       objectives(1e4, 1, 1)},
      {}, {Objective::kPerplexity, Objective::kLatency, Objective::kEnergy});
  EXPECT_EQ(knee(predicted_front(archive)), 1u);
}

TEST(Knee, OfOneAndOfTwoAndOfEquals) {
  EXPECT_EQ(knee(predicted_front(archive_of({objectives(2, 3)}))), 0u);
  EXPECT_EQ(knee(predicted_front(archive_of({objectives(2, 3), objectives(3, 2)}))), 0u);
  EXPECT_EQ(knee(predicted_front(archive_of({objectives(2, 3), objectives(2, 3)}))), 0u);
}

TEST(BestWithin, TheCheapestNearTheBestPerplexity) {
  // At most 2.1: the first two; at most 3: the first three.
  const FinalFront front = predicted_front(archive_of(
      {objectives(2, 500), objectives(2.05, 400), objectives(2.5, 300), objectives(3.5, 200)}));
  const std::vector<BestWithin> best = best_within(front);
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[0].member, 1u);
  EXPECT_EQ(best[0].above_best, 0.1);
  EXPECT_EQ(best[0].limit, (Limit{Objective::kPerplexity, 2.1}));
  EXPECT_EQ(best[0].minimised, Objective::kLatency);
  EXPECT_EQ(best[1].member, 2u);
  EXPECT_THAT(describe(best[1]), HasSubstr("lowest latency with perplexity <= 3 (best + 1)"));
}

TEST(BestWithin, EveryLimitOfTheRun) {
  const std::vector<Limit> limits{{Objective::kPerplexity, 3}, {Objective::kLatency, 450}};
  const FinalFront front = predicted_front(
      archive_of({objectives(2, 500), objectives(2.5, 400), objectives(2.75, 300)}, limits));
  const std::vector<BestWithin> best = best_within(front);
  ASSERT_EQ(best.size(), 4u);
  EXPECT_EQ(best[0].limit, limits[0]);
  EXPECT_EQ(best[0].minimised, Objective::kLatency);
  EXPECT_EQ(front.members[*best[0].member].confirmed.latency, 300);
  EXPECT_EQ(best[1].limit, limits[1]);
  EXPECT_EQ(best[1].minimised, Objective::kPerplexity);
  EXPECT_EQ(front.members[*best[1].member].confirmed.perplexity, 2.5);
  EXPECT_FALSE(best[1].above_best.has_value());
}

TEST(BestWithin, WithoutPerplexityOnlyTheLimits) {
  const std::vector<Objective> chosen{Objective::kLatency, Objective::kEnergy};
  const FinalFront front = predicted_front(archive_of(
      {objectives(2, 500, 1), objectives(2, 400, 2)}, {{Objective::kEnergy, 1.5}}, chosen));
  const std::vector<BestWithin> best = best_within(front);
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(front.members[*best[0].member].confirmed.latency, 500);
}

TEST(PredictionErrorTest, OverMembersAndDroppedOnes) {
  const Archive archive = archive_of({objectives(2, 400), objectives(3, 300)});
  // 400 against 500 is 20 % too low; 300 against 600 50 %, and that one is dropped.
  const FinalFront front = judge_front(archive, {objectives(2, 500), objectives(3, 600)});
  ASSERT_EQ(front.dropped.size(), 1u);
  const PredictionError error = prediction_error(front, Objective::kLatency);
  EXPECT_DOUBLE_EQ(error.mean, 0.35);
  EXPECT_DOUBLE_EQ(error.largest, 0.5);
  EXPECT_EQ(prediction_error(front, Objective::kPerplexity).largest, 0);
}

TEST(PredictionErrorTest, OfWhatIsZero) {
  FinalFront front;
  front.objectives = {Objective::kPerplexity, Objective::kEnergy};
  Candidate candidate;
  candidate.objectives.perplexity = 5;
  front.members.push_back({candidate, candidate.objectives});
  EXPECT_EQ(prediction_error(front, Objective::kEnergy).mean, 0);
  EXPECT_EQ(prediction_error(front, Objective::kEnergy).largest, 0);
}

TEST(Knee, ACostMayBeZero) {
  FinalFront front;
  front.objectives = {Objective::kPerplexity, Objective::kLatency};
  for (const auto& [perplexity, latency] :
       {std::pair{9.0, 0.0}, std::pair{3.0, 10.0}, std::pair{2.9, 100.0}}) {
    Candidate candidate;
    candidate.objectives.perplexity = perplexity;
    candidate.objectives.latency = latency;
    front.members.push_back({candidate, candidate.objectives});
  }
  EXPECT_EQ(knee(front), 1u);
}

TEST(RequireFront, NamesTheLimitsNobodyMeets) {
  EXPECT_NO_THROW(require_front(archive_of({objectives(2, 400)})));
  try {
    require_front(archive_of({objectives(2, 400), objectives(1, 500)}, {{Objective::kLatency, 9}}));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("latency <= 9 (the lowest found is 400)"));
  }
}

}  // namespace
}  // namespace paretoformer::nas
