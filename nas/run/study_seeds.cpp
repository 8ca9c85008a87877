#include "nas/run/study_seeds.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <string_view>

#include "nas/run/run_folder.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using Values = std::vector<double>;  // by seed; NaN: it has none

// Of what every seed has.
std::optional<Estimate> estimate(const Values& values) {
  for (const double value : values)
    if (std::isnan(value)) return std::nullopt;
  return mean_estimate(values);
}

Estimate factor(const Values& logarithms) {
  const Estimate logarithm = mean_estimate(logarithms);
  return {std::exp(logarithm.value), std::exp(logarithm.low), std::exp(logarithm.high)};
}

std::optional<Estimate> share(const Values& logarithms) {
  const std::optional<Estimate> found = estimate(logarithms);
  if (!found) return std::nullopt;
  return Estimate{std::expm1(found->value), std::expm1(found->low), std::expm1(found->high)};
}

template <typename Of>
Values by_seed(std::span<const SeedStudy> studies, const Of& of) {
  Values values;
  for (const SeedStudy& each : studies) values.push_back(of(each.study));
  return values;
}

const StudyTrained* trained_at(const Study& study, std::string_view rival,
                               std::string_view budget) {
  for (const StudyTrained& each : study.trained)
    if (each.way() == rival && each.budget == budget) return &each;
  return nullptr;
}

// The logarithm of the search's perplexity at an energy-delay product; NaN with less than two
// networks.
double line_through_search(const Study& study, double edp) {
  std::map<double, double> points;
  for (const StudyTrained& each : study.trained)
    if (each.rival == "largest" || each.rival == study.rivals[0].name)
      points.emplace(std::log(each.step.edp()), std::log(each.step.counted()));
  if (points.size() < 2) return std::nan("");
  const double x = std::log(edp);
  auto right = points.upper_bound(x);
  if (right == points.begin()) ++right;
  if (right == points.end()) --right;
  const auto left = std::prev(right);
  return std::lerp(left->second, right->second, (x - left->first) / (right->first - left->first));
}

StudySeeds::Choice choice_of(std::span<const SeedStudy> studies, std::size_t c) {
  const std::string budget = studies[0].study.choices[c].budget;
  const auto times_less = [&](auto base) {
    return factor(by_seed(studies, [&](const Study& study) {
      return std::log(base(study).edp() / study.choices[c].step.edp());
    }));
  };
  const auto above = [&](const Study& study) {
    const StudyTrained* const found = trained_at(study, study.rivals[0].name, budget);
    return found ? found->step.counted() - study.trained.front().step.counted() : std::nan("");
  };
  return {budget, times_less([](const Study& study) { return study.machines.front(); }),
          times_less([](const Study& study) { return study.machines.back(); }),
          estimate(by_seed(studies, above))};
}

StudySeeds::Rival rival_of(std::span<const SeedStudy> studies, const std::string& name) {
  StudySeeds::Rival rival{name, {}};
  for (const double times : kStudyEdpFactors)
    rival.above.push_back(share(by_seed(studies, [&](const Study& study) {
      const auto own = std::ranges::find(study.rivals, name, &StudyRival::name);
      if (own == study.rivals.end()) return std::nan("");
      const double edp = study.machines.back().edp() / times;
      const StudyStep* const best = best_at(*own, edp);
      const StudyStep* const first = best_at(study.rivals[0], edp);
      return best && first ? std::log(best->counted() / first->counted()) : std::nan("");
    })));
  return rival;
}

StudySeeds::Trained trained_of(std::span<const SeedStudy> studies, std::string_view name) {
  StudySeeds::Trained trained{std::string(name), {}, {}};
  Values sums(studies.size(), 0);
  double counted = 0;
  for (const StudyChoice& choice : studies[0].study.choices) {
    const Values above = by_seed(studies, [&](const Study& study) {
      const StudyTrained* const found = trained_at(study, name, choice.budget);
      if (!found) return std::nan("");
      return std::log(found->step.counted()) - line_through_search(study, found->step.edp());
    });
    trained.above.push_back(share(above));
    if (!trained.above.back()) continue;
    ++counted;
    for (std::size_t s = 0; s < sums.size(); ++s) sums[s] += above[s];
  }
  for (double& sum : sums) sum /= counted;  // NaN without any
  trained.mean = share(sums);
  return trained;
}

void require_same(const SeedStudy& first, const SeedStudy& other) {
  const auto fail = [&](const std::string& what) {
    throw InputError(other.run + ": " + what + " of its study, expected that of " + first.run +
                     ": studies of one configuration with different seeds");
  };
  if (other.seed == first.seed)
    throw InputError(other.run + ": seed " + std::to_string(other.seed) + " is that of " +
                     first.run + ", expected another one");
  const auto prices = [](const StudyStep& a, const StudyStep& b) {
    return a.network == b.network && a.latency == b.latency && a.energy_pj == b.energy_pj;
  };
  if (!std::ranges::equal(first.study.machines, other.study.machines, prices))
    fail("another network or price");
  const auto budgets = [](const Study& study) {
    std::vector<std::string> names;
    for (const StudyChoice& each : study.choices) names.push_back(each.budget);
    return names;
  };
  if (budgets(first.study) != budgets(other.study)) fail("other limits");
  if (other.study.rivals.empty() || first.study.rivals.empty() ||
      other.study.rivals[0].name != first.study.rivals[0].name)
    fail("another search");
  if (other.study.trained_steps != first.study.trained_steps) fail("other steps of training on");
}

Json json_of(const Estimate& estimate) {
  return {{"mean", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}

}  // namespace

SeedStudy read_seed_study(const std::filesystem::path& run) {
  const std::filesystem::path path = RunFolder::read(run).study();
  if (!std::filesystem::exists(path))
    throw InputError(run.string() + ": has no study.json, expected a run that study was used on");
  const Json json = read_json(path);
  const JsonNode node(json, path.string());
  const JsonObject provenance(JsonObject(node).at("provenance"));
  return {run.string(), static_cast<std::uint64_t>(provenance.integer("seed", 0, INT64_MAX)),
          study_from_json(node)};
}

StudySeeds together(std::span<const SeedStudy> studies) {
  if (studies.size() < 2) throw InputError("an interval takes studies of two seeds or more");
  StudySeeds result;
  for (std::size_t i = 0; i < studies.size(); ++i) {
    for (std::size_t before = 0; before < i; ++before) require_same(studies[before], studies[i]);
    result.seeds.push_back(studies[i].seed);
  }
  const Study& first = studies[0].study;
  result.search = first.rivals[0].name;
  for (std::size_t c = 0; c < first.choices.size(); ++c)
    result.choices.push_back(choice_of(studies, c));
  for (std::size_t r = 1; r < first.rivals.size(); ++r)
    result.rivals.push_back(rival_of(studies, first.rivals[r].name));
  for (const StudyTrained& each : first.trained) {
    const std::string_view name = each.way();
    const bool known = std::ranges::find(result.trained, name, &StudySeeds::Trained::rival) !=
                       result.trained.end();
    if (!known && name != "largest" && name != result.search)
      result.trained.push_back(trained_of(studies, name));
  }
  return result;
}

Json to_json(const StudySeeds& seeds) {
  Json choices = Json::array(), rivals = Json::array(), trained = Json::array();
  for (const StudySeeds::Choice& each : seeds.choices) {
    choices.push_back({{"budget", each.budget},
                       {"edp_in_all", json_of(each.in_all)},
                       {"edp_search", json_of(each.search)}});
    if (each.trained) choices.back()["trained_perplexity_above"] = json_of(*each.trained);
  }
  for (const StudySeeds::Rival& each : seeds.rivals) {
    Json at_edp = Json::array();
    for (std::size_t i = 0; i < each.above.size(); ++i)
      if (each.above[i])
        at_edp.push_back({{"factor", kStudyEdpFactors[i]}, {"above", json_of(*each.above[i])}});
    rivals.push_back({{"name", each.name}, {"at_edp", at_edp}});
  }
  for (const StudySeeds::Trained& each : seeds.trained) {
    Json at_choice = Json::array();
    for (std::size_t i = 0; i < each.above.size(); ++i)
      if (each.above[i])
        at_choice.push_back(
            {{"budget", seeds.choices[i].budget}, {"above", json_of(*each.above[i])}});
    trained.push_back({{"rival", each.rival}, {"at_choice", at_choice}});
    if (each.mean) trained.back()["mean_above"] = json_of(*each.mean);
  }
  return {{"seeds", seeds.seeds},
          {"search", seeds.search},
          {"choices", choices},
          {"rivals", rivals},
          {"trained_on", trained}};
}

}  // namespace paretoformer::nas
