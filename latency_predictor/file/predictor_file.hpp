// The file of a predictor of either kind, a table of prices or a learned model: one JSON document
// whose last key is the hash of the text before it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "accel_sim/hardware/target.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::latency_predictor {

enum class PredictorKind { kTable, kLearned };

// What every file says first.
struct PredictorHead {
  PredictorKind kind = PredictorKind::kTable;
  std::string model;                          // what the prices are from: "simulator/10"
  std::string device;                         // the name of one that was measured, or
  std::optional<accel_sim::Target> hardware;  // what is simulated: there is one of the two
};

// A file that was read: its head, and what each kind reads of it by itself.
class PredictorFile {
 public:
  // Throw InputError naming the file, in one line, when it is no predictor of this version, was cut
  // or edited, or when its hardware does not have the hash that stands beside it.
  static PredictorFile read(const std::string& path);
  static PredictorFile parse(const std::string& text, const std::string& file);

  const PredictorHead& head() const { return head_; }
  // Throws InputError when it is of the other kind.
  void require(PredictorKind kind) const;
  // Whoever has read its own keys calls finish().
  const JsonObject& content() const;

 private:
  struct Document;

  explicit PredictorFile(std::shared_ptr<const Document> document);

  std::shared_ptr<const Document> document_;
  PredictorHead head_;
};

// The text of a file: the head, the keys of `content` (an object) and the checksum. Equal
// predictors give equal texts.
std::string predictor_text(const PredictorHead& head, const Json& content);

}  // namespace paretoformer::latency_predictor
