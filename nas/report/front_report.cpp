#include "nas/report/front_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "support/hash.hpp"

namespace paretoformer::nas {

std::string space_summary(const ProxyTask& proxy) {
  const SearchSpace& space = proxy.space();
  const int context = proxy.context();
  return fmt::format(
      "search space \"{}\": {:.4g} networks, {:.3g} to {:.3g} million parameters; text: {:.3g} "
      "million training tokens, vocabulary {}\n",
      space.name(), static_cast<double>(space.count()),
      1e-6 * static_cast<double>(parameter_count(space.smallest(), context)),
      1e-6 * static_cast<double>(parameter_count(space.largest(), context)),
      1e-6 * static_cast<double>(proxy.corpus().train.size()),
      proxy.corpus().tokenizer.vocabulary_size());
}

namespace {

// " 123.45", or as much space as that takes.
std::string cell(std::optional<double> value, int width, int digits) {
  return value ? fmt::format(" {:>{}.{}f}", *value, width, digits) : std::string(width + 1UL, ' ');
}

// Columns that only a text of words has.
std::string per_word_and_byte(const supernet::Corpus& corpus, double loss) {
  if (corpus.words == 0) return "";
  return cell(corpus.perplexity_per_word(loss), 9, 2) + cell(corpus.bits_per_byte(loss), 9, 4);
}

std::string row(const accel_sim::HardwareSpace& hardware, const supernet::Corpus& corpus,
                const FrontMember& member, const std::optional<Objectives>& largest) {
  const Objectives& seen = member.candidate.objectives;
  const Objectives& own = member.confirmed;
  std::optional<double> above, factor;
  if (largest) {
    above = 100 * (seen.perplexity / largest->perplexity - 1);
    factor = largest->edp() / seen.edp();
  }
  const std::vector<int>& on = member.candidate.architecture.hardware;
  return fmt::format(
      "{:<16} {:>10.3f}{}{}{} {:>11.0f} {:>10.2f}{} {:>8.1f}{}  {}{}\n", hex(member.candidate.id),
      own.perplexity,
      cell(own.has_int8() ? std::optional(own.perplexity_int8) : std::nullopt, 8, 3),
      per_word_and_byte(corpus, own.validation_loss), cell(above, 7, 2), own.latency,
      own.energy_pj * 1e-6, cell(factor, 7, 2), static_cast<double>(seen.parameters) * 1e-3,
      own.has_area() ? cell(own.area_mm2, 7, 3) : "", describe(member.candidate.architecture),
      on.empty() ? "" : " on " + hardware.describe(on));
}

std::string reason(const DroppedMember& dropped) {
  if (!dropped.limit) return "dominated by " + hex(dropped.dominated_by);
  return name_of(dropped.limit->objective) +
         fmt::format(" is {:.6g}, its limit {:.6g}",
                     value(dropped.member.confirmed, dropped.limit->objective),
                     dropped.limit->maximum);
}

std::string dropped_lines(const FinalFront& front, bool all) {
  std::string text;
  if (all)
    for (const DroppedMember& each : front.dropped)
      text += "dropped " + hex(each.member.candidate.id) + ": " + reason(each) + "\n";
  else if (!front.dropped.empty())
    text = fmt::format("{} dropped, the first {}\n", front.dropped.size(),
                       hex(front.dropped[0].member.candidate.id) + ": " + reason(front.dropped[0]));
  return text;
}

std::string confirmation_summary(const FinalFront& front) {
  if (!front.confirmed) return "the front is not confirmed yet\n";
  const auto error = [&](Objective objective) {
    const PredictionError e = prediction_error(front, objective);
    return fmt::format("{:.3f} % on average, {:.3f} % at most", 100 * e.mean, 100 * e.largest);
  };
  std::string text = fmt::format("{} of {} members confirmed", front.members.size(),
                                 front.members.size() + front.dropped.size());
  text += front.unsimulated.empty()
              ? "; predicted against simulated: cycles off by " + error(Objective::kLatency) +
                    ", energy by " + error(Objective::kEnergy)
              : " on the validation text, not simulated: " + front.unsimulated;
  return text +
         fmt::format("; perplexity of the whole validation text ({} tokens) differs by ",
                     front.validation_tokens) +
         error(Objective::kPerplexity) + "\n";
}

}  // namespace

std::string front_table(const supernet::Corpus& corpus, const FinalFront& front,
                        const std::optional<Objectives>& largest, double text_error, bool all,
                        const accel_sim::HardwareSpace& hardware) {
  const bool in_time = !front.members.empty() && front.members[0].confirmed.in_time;
  std::string table = fmt::format(
      "{:<16} {:>10} {:>8}{} {:>7} {:>11} {:>10} {:>7} {:>8}{}  {}\n", "id", "perplexity", "int8",
      corpus.words == 0 ? "" : "  per word bits/byte", "+%", in_time ? "ns" : "cycles", "energy/uJ",
      "EDP x", "param/k", hardware.empty() ? "" : "     mm2", "network");
  const auto [shown, least] =
      distinct_members(front, all ? 0 : kTextErrors * text_error, all ? SIZE_MAX : kScreenRows);
  for (const std::size_t i : shown) table += row(hardware, corpus, front.members[i], largest);
  if (shown.size() < front.members.size())
    table +=
        fmt::format("and {} more between them, less than {:.2g} nats above the line before",
                    front.members.size() - shown.size(), least) +
        (text_error > 0 ? fmt::format(" (the text tells {:.2g} apart)", kTextErrors * text_error)
                        : "") +
        "; --all shows them, front.json has them\n";
  table +=
      "perplexity, int8 (in the accelerator's integers): of the whole validation text; cycles, "
      "energy: simulated as one program\n"
      "+%, EDP x: perplexity above the largest network's, and how many times better the "
      "energy-delay product is, as searched\n";
  if (corpus.words > 0)
    table +=
        "per word: perplexity per word of the text, each line's end being one; bits/byte: loss per "
        "byte of it\n";
  table += dropped_lines(front, all) + confirmation_summary(front);
  if (const auto bend = knee(front))
    table += "knee: " + hex(front.members[*bend].candidate.id) + "\n";
  for (const BestWithin& best : best_within(front))
    table += describe(best) + ": " +
             (best.member ? hex(front.members[*best.member].candidate.id) : "none") + "\n";
  return table;
}

std::string perplexity_summary(const ProxyTask& proxy, double smallest, double largest) {
  std::string text = fmt::format(
      "perplexity of the validation text ({} tokens): unigram model {:.2f}, "
      "smallest network {:.2f}, largest network {:.2f}",
      static_cast<int>(proxy.corpus().validation.size()), proxy.corpus().unigram_perplexity,
      smallest, largest);
  if (proxy.corpus().oracle_perplexity)
    text += fmt::format(", the source itself {:.2f} (no model can beat it)",
                        *proxy.corpus().oracle_perplexity);
  text += "\n";
  const supernet::Corpus& corpus = proxy.corpus();
  if (corpus.words == 0) return text;
  text += fmt::format("per word ({}) and in bits per byte:", corpus.words);
  const char* between = "";
  for (const auto& [name, perplexity] :
       {std::pair{"unigram model", corpus.unigram_perplexity},
        std::pair{"smallest network", smallest}, std::pair{"largest network", largest}}) {
    const double loss = std::log(perplexity);
    text += std::string(between) + " " + name;
    if (const auto word = corpus.perplexity_per_word(loss)) text += fmt::format(" {:.2f}", *word);
    text += fmt::format(" ({:.4f})", corpus.bits_per_byte(loss).value());
    between = ",";
  }
  return text + "\n";
}

std::string separation_summary(const Separation& s) {
  if (!std::isfinite(s.ratio()))
    return "separation: unknown; it takes two validation sequences, and networks that differ\n";
  return fmt::format(
      "separation: the losses of {} random networks of width {} spread by {:.4f}; another "
      "validation subset moves all by {:+.4f} and each by {:.4f} more or less: {:.1f} times (a "
      "search needs 5)\n",
      s.networks, s.model_width, s.spread, s.shared_change, s.subset_change, s.ratio());
}

std::string breakdown_table(const std::vector<latency_predictor::OperatorPrediction>& operators,
                            latency_predictor::TimeUnit unit) {
  const bool in_time = unit == latency_predictor::TimeUnit::kFemtoseconds;
  std::string table = fmt::format("{:>5}  {:<24} {:>7} {:<34} {:>14} {:>14}\n", "layer", "operator",
                                  "repeat", "shape", in_time ? "ns" : "cycles", "energy/uJ");
  for (const latency_predictor::OperatorPrediction& p : operators)
    table +=
        fmt::format("{:>5}  {:<24} {:7} {:<34} {:>14.{}f} {:>14.3f}\n",
                    p.layer < 0 ? "-" : std::to_string(p.layer), p.role, p.repeat, describe(p.op),
                    latency_in(unit, p.cost), in_time ? 3 : 0, p.cost.energy.value() * 1e-6);
  return table;
}

}  // namespace paretoformer::nas
