#include "nas/report/plot.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <utility>

#include "support/random.hpp"
#include "tests/nas/report/well_formed.hpp"

namespace paretoformer::nas {
namespace {

// `count` candidates with random objectives; costs spread over `decades`.
Archive archive_of(int count, double decades, std::vector<Objective> objectives) {
  Archive archive(std::move(objectives));
  Random random(1);
  for (int i = 0; i < count; ++i) {
    Candidate c;
    c.architecture = {16 * (i + 1), 16, 0, {{1, 32}}};
    c.id = architecture_id(c.architecture);
    c.generation = i / 10;
    c.objectives.validation_loss = 1 + random.uniform();
    c.objectives.perplexity = std::exp(c.objectives.validation_loss);
    c.objectives.latency = 1e5 * std::pow(10.0, decades * random.uniform());
    c.objectives.energy_pj = 1e6;
    c.objectives.parameters = 1000 + i;
    archive.add(std::move(c));
  }
  return archive;
}

TEST(FrontSvg, ARedDotPerMemberABlueOnePerCandidate) {
  for (double decades : {0.1, 1.0, 3.0}) {
    const Archive archive = archive_of(50, decades, {Objective::kPerplexity, Objective::kLatency});
    const std::string svg = front_svg(archive, predicted_front(archive), "title");
    expect_well_formed(svg);
    EXPECT_EQ(count_of(svg, "fill=\"#c8442c\""), archive.front().size());
    EXPECT_EQ(count_of(svg, "<title>"), archive.front().size());
    EXPECT_EQ(count_of(svg, "fill=\"#5b7fa6\""), 50u);
    EXPECT_EQ(count_of(svg, "<polyline"), 1u);
  }
}

// Where the dots of a colour are, in their order.
std::vector<std::pair<double, double>> dots(const std::string& svg, const std::string& colour) {
  const std::regex dot("<circle cx=\"([^\"]*)\" cy=\"([^\"]*)\" r=\"[^\"]*\" [^>]*fill=\"" +
                       colour);
  std::vector<std::pair<double, double>> places;
  for (std::sregex_iterator at(svg.begin(), svg.end(), dot), end; at != end; ++at)
    places.emplace_back(std::stod((*at)[1]), std::stod((*at)[2]));
  return places;
}

// Cost to the right, perplexity upwards, which is where y falls: every dot is right of another and
// above it as its values say.
TEST(FrontSvg, DotsAreWhereTheirValuesAre) {
  const Archive archive = archive_of(50, 1, {Objective::kPerplexity, Objective::kLatency});
  const std::string svg = front_svg(archive, predicted_front(archive), "");
  const auto members = dots(svg, "#c8442c"), all = dots(svg, "#5b7fa6");
  ASSERT_EQ(members.size(), archive.front().size());
  ASSERT_GE(members.size(), 3u);
  for (std::size_t i = 1; i < members.size(); ++i) {  // by perplexity, the best first
    EXPECT_LT(members[i].first, members[i - 1].first);
    EXPECT_LT(members[i].second, members[i - 1].second);
  }
  ASSERT_EQ(all.size(), archive.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < all.size(); ++j) {
      const Objectives& a = archive.candidates()[i].objectives;
      const Objectives& b = archive.candidates()[j].objectives;
      if (a.latency < b.latency) {
        EXPECT_LE(all[i].first, all[j].first);
      }
      if (a.perplexity < b.perplexity) {
        EXPECT_GE(all[i].second, all[j].second);
      }
    }
}

TEST(FrontSvg, TitlesAreEscaped) {
  const Archive archive = archive_of(5, 1, {Objective::kPerplexity, Objective::kEdp});
  const std::string svg = front_svg(archive, predicted_front(archive), "a<b> & \"c\"");
  expect_well_formed(svg);
  EXPECT_NE(svg.find("a&lt;b&gt; &amp; \"c\""), std::string::npos);
}

TEST(FrontSvg, OneCandidateEqualCostsAndThreeObjectives) {
  for (const Archive& archive : {archive_of(1, 1, {Objective::kPerplexity, Objective::kEdp}),
                                 archive_of(9, 0, {Objective::kPerplexity, Objective::kEdp})})
    expect_well_formed(front_svg(archive, predicted_front(archive), ""));
  const Archive three =
      archive_of(30, 1, {Objective::kPerplexity, Objective::kLatency, Objective::kParameters});
  const std::string svg = front_svg(three, predicted_front(three), "");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "fill=\"#c8442c\""), three.front().size());
  EXPECT_EQ(count_of(svg, "<polyline"), 0u);
}

TEST(FrontSvg, DroppedMembersAreRingsAtTheirConfirmedValues) {
  const Archive archive = archive_of(50, 1, {Objective::kPerplexity, Objective::kLatency});
  std::vector<Objectives> confirmed;
  for (std::size_t index : archive.front())
    confirmed.push_back(archive.candidates()[index].objectives);
  ASSERT_GE(confirmed.size(), 2u);
  confirmed[0].perplexity = 10;  // above all others
  const FinalFront front = judge_front(archive, confirmed);
  ASSERT_EQ(front.dropped.size(), 1u);
  const std::string svg = front_svg(archive, front, "");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "fill=\"#c8442c\""), confirmed.size() - 1);
  EXPECT_EQ(count_of(svg, "dropped: dominated"), 1u);
  EXPECT_EQ(count_of(svg, ">knee<"), 1u);
}

// A page's script moves a dot along the axes by its shares; at first it is where they say.
TEST(FrontSvg, ForAPageDotsHaveTheirPlacesOnAllAxes) {
  const Archive archive = archive_of(50, 1, {Objective::kPerplexity, Objective::kLatency});
  const std::string svg = front_svg(archive, predicted_front(archive), "", true);
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "<g data-for=\"x "), 7u + 4u);
  EXPECT_EQ(count_of(svg, "<g data-for=\"y "), 7u);
  EXPECT_EQ(count_of(svg, "data-seen"), archive.front().size());
  const std::regex places(
      "<circle cx=\"([^\"]*)\" cy=\"([^\"]*)\" [^>]*data-at=\"([0-9]+) ([0-9]+) ");
  std::size_t count = 0;
  for (std::sregex_iterator at(svg.begin(), svg.end(), places), end; at != end; ++at, ++count) {
    EXPECT_NEAR(std::stod((*at)[1]), 80 + 656e-4 * std::stod((*at)[4]), 0.05);
    EXPECT_NEAR(std::stod((*at)[2]), 436 - 388e-4 * std::stod((*at)[3]), 0.05);
  }
  EXPECT_EQ(count, archive.size() + archive.front().size());
}

TEST(FidelitySvg, ADotPerNetworkAndTheLineOfEquals) {
  for (int count : {1, 2, 24}) {
    std::vector<ComparedNetwork> networks;
    for (const Architecture& network : fidelity_sample(SearchSpace::find("quickstart"), count, 1))
      networks.push_back({network, 3.1, 3, 1, 1});
    const std::string svg = fidelity_svg(networks, "a<b>");
    expect_well_formed(svg);
    EXPECT_EQ(count_of(svg, "<title>"), networks.size());
    EXPECT_EQ(count_of(svg, "stroke=\"#999\""), 1u);
    // One dot per network, one per depth.
    EXPECT_EQ(count_of(svg, "<circle"),
              networks.size() + static_cast<std::size_t>(std::min(count, 4)));
  }
}

TEST(CurvesSvg, ALinePerCurveAndItsName) {
  const std::vector<Curve> curves{{"a<b", {{500, 0.5}, {600, 0.25}, {3000, 0.001}}},
                                  {"second", {{500, -0.1}, {3000, 0}}}};
  const std::string svg = curves_svg(curves, "title", "steps", "gap");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "<polyline"), 2u);
  for (const char* text : {">a&lt;b<", ">second<", ">title<", ">steps<", ">gap<", ">2000<", ">0<"})
    EXPECT_EQ(count_of(svg, text), 1u) << text;
  EXPECT_EQ(count_of(svg, ">-0<"), 0u);
  expect_well_formed(curves_svg({{"one", {{1, 0}}}}, "", "", ""));
}

TEST(SharesSvg, ARectanglePerPartAndALegendOfThoseShown) {
  const std::vector<StackedBar> bars{{"10", {"first", "1<2"}, {1, 0, 3}},
                                     {"20", {"second"}, {2, 0, 0}}};
  const std::string svg = shares_svg({{"panel", bars}}, {"a", "none", "c"}, "title");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "<title>"), 3u);
  for (const char* text : {">10<", ">20<", ">first<", ">1&lt;2<", ">a<", ">c<", "c 75.0 %"})
    EXPECT_EQ(count_of(svg, text), 1u) << text;
  EXPECT_EQ(count_of(svg, ">none<"), 0u);
}

TEST(HistogramSvg, EveryValueIsInABarAndEveryMarkHasItsName) {
  std::vector<double> values;
  for (int i = 0; i <= 60; ++i) values.push_back(std::pow(10.0, i / 10.0));
  const std::string svg = histogram_svg(values, {{"best<", 0.5}, {"greedy", 20}}, "title", "EDP");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "fill=\"#5b7fa6\""), 60u);
  for (const char* text : {">best&lt; 0.5<", ">greedy 20<", ">title<", ">EDP<", ">samples<"})
    EXPECT_EQ(count_of(svg, text), 1u) << text;
  // One value alone, and all the same.
  expect_well_formed(histogram_svg({3}, {}, "", ""));
  expect_well_formed(histogram_svg({3, 3, 3}, {{"mark", 3}}, "", ""));
}

// Ticks of an axis of equal, neighbouring, zero and very large numbers: an end, and no number that
// is none.
TEST(CurvesSvg, EndsWhateverTheNumbersAre) {
  const double large = 1e17, infinity = HUGE_VAL;
  for (const auto& points : std::vector<std::vector<std::pair<double, double>>>{
           {},
           {{0, 0}, {0, 0}},
           {{5, 1}, {5, 1}},
           {{large, large}, {std::nextafter(large, infinity), large}},
           {{large, 0}, {large, 0}},
           {{-1e300, 1e-300}, {1e300, 2e-300}}}) {
    const std::string svg = curves_svg({{"a", points}}, "title", "x", "y");
    expect_well_formed(svg);
    EXPECT_EQ(count_of(svg, "nan"), 0u);
    EXPECT_EQ(count_of(svg, "inf"), 0u);
    EXPECT_LT(count_of(svg, "<line"), 60u);
  }
  for (const double wrong : {infinity, std::nan("")})
    expect_well_formed(curves_svg({{"a", {{1, wrong}, {wrong, 2}}}}, "title", "x", "y"));
}

TEST(HistogramSvg, LeavesOutWhatHasNoLogarithm) {
  const std::string svg =
      histogram_svg({0, 2, -1, std::nan(""), HUGE_VAL, 4}, {{"zero", 0}, {"mark", 3}}, "", "x");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "nan") + count_of(svg, "inf"), 0u);
  EXPECT_EQ(count_of(svg, ">mark 3<"), 1u);
  expect_well_formed(histogram_svg({}, {}, "", ""));
  expect_well_formed(histogram_svg({0, 0}, {{"zero", 0}}, "", ""));
}

TEST(SharesSvg, ABarOfNothing) {
  const std::string svg = shares_svg({{"panel", {{"", {"all zero"}, {0, 0}}}}}, {"a", "b"}, "");
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "nan") + count_of(svg, "inf"), 0u);
}

}  // namespace
}  // namespace paretoformer::nas
