// The verbs of the command line. Each prints its answer on standard output, as text or, with
// `json`, as one JSON document; logs and progress go to standard error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/engines/reference_engine.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "nas/run/fidelity.hpp"

namespace paretoformer::nas {

struct CommonOptions {
  bool json = false;
  bool quiet = false;
  int threads = 0;  // 0: all cores
};

struct RunOptions {
  std::string config;                  // a preset, a file or a run folder
  std::vector<std::string> overrides;  // "key.path=value"
  bool resume = false;
};

// Trains the supernet, searches, writes the front.
void search_command(const RunOptions& options, const CommonOptions& common);
// Trains the supernet only; `search --resume` goes on from there.
void train_command(const RunOptions& options, const CommonOptions& common);
// The same, then trains networks of the space alone and says how well the supernet ranks them.
void fidelity_command(const RunOptions& options, const FidelityOptions& fidelity,
                      const CommonOptions& common);
// Checks a configuration and its text without writing anything.
void validate_command(const RunOptions& options, const CommonOptions& common);
// Perplexity and cost of one architecture in a run; with `weights`, perplexity of an exported file.
void evaluate_command(const std::filesystem::path& run, const std::filesystem::path& architecture,
                      const std::filesystem::path& weights, const CommonOptions& common);

// What a network is priced on, as far as it is given (priced_network.hpp).
struct PricingOptions {
  std::optional<std::string> hardware;
  std::optional<int> length;
  std::optional<std::string> mode;

  bool any() const { return hardware || length || mode; }
};

struct PredictOptions {
  std::filesystem::path architecture;
  PricingOptions given;
  // A file of LatencyPredictor, which says hardware, length and mode, or of LearnedModel, which
  // takes them; empty: the simulator, as simulate_command().
  std::filesystem::path predictor;
  bool breakdown = false;
};

// Cost of one architecture on an accelerator.
void predict_command(const PredictOptions& options, const CommonOptions& common);

struct PredictorOptions {
  std::filesystem::path file;  // of a predictor, or of measurements
  std::string space = "survey";
  int vocabulary = -1;  // -1: the space's
  std::string hardware = "gemmini_transformer";
  int length = 512;
  std::string mode = "prefill";
  std::string device;               // its name, of measurements
  std::optional<double> clock_mhz;  // of cycles that were measured
  std::filesystem::path output;
  int networks = 200;  // to check with
  std::uint64_t seed = 1;
};

// Prices a space's operators on simulated hardware, corrects for their places in a network, checks
// with simulations of whole networks, and writes the predictor's file. Throws Error, and writes
// nothing, when the predictor is not good enough.
void predictor_build_command(const PredictorOptions& options, const CommonOptions& common);
// Checks a predictor's file in the same way. Throws Error when it is not good enough.
void predictor_check_command(const PredictorOptions& options, const CommonOptions& common);
struct PredictorFitOptions {
  latency_predictor::FitOptions fit;
  std::string space = "survey";
  std::string hardware = "gemmini_transformer";  // the base
  int networks = 200;                            // held out
  bool curve = false;                            // errors against the number of samples
  std::filesystem::path output;
};
// Learns a model over lengths and hardware and writes its file.
void predictor_fit_command(const PredictorFitOptions& options, const CommonOptions& common);
// A CSV file of a space's operators, to be filled in with measurements.
void predictor_operators_command(const PredictorOptions& options, const CommonOptions& common);
// Makes a predictor's file of measurements. Throws InputError when an operator of the space lacks.
void predictor_import_command(const PredictorOptions& options, const CommonOptions& common);

struct SimulateOptions {
  std::optional<std::string> architecture;  // either a file
  std::optional<std::string> gemm;          // or "M,K,N"
  std::optional<std::string> tile;          // of the latter, in elements
  std::optional<std::string> mapping;       // or a mapping's file
  PricingOptions given;
  std::string engine = "fast";
  std::int64_t cycle_limit =
      accel_sim::kDefaultCycleLimit;  // of the reference engine, per operator
  std::optional<std::string> trace;   // a file to write
};

// What one architecture, or one matmul, does on an accelerator, and where its cycles and energy go.
void simulate_command(const SimulateOptions& options, const CommonOptions& common);

struct ProfileOptions {
  std::string model;           // preset or file
  std::vector<int> lengths;    // empty: 128, 512 and 4096
  std::optional<bool> decode;  // absent: as the model is used
  bool fused = false;
  std::string format = "table";         // or csv or svg
  std::optional<std::string> hardware;  // preset or file: latencies of the survey's model as well
};

// FLOPs, memory operations and arithmetic intensity of a network, by class of operators.
void profile_command(const ProfileOptions& options, const CommonOptions& common);

struct MapOptions {
  int m = 0, k = 0, n = 0;          // a matmul
  std::optional<std::string> conv;  // or "P,Q,C,K,R,S[,STRIDE]"
  std::string hardware = "gemmini_transformer";
  std::string objective = "edp";
  std::string mapspace = "perfect";  // of the samples
  std::int64_t samples = 100'000;
  std::uint64_t seed = 1;
  std::optional<std::string> svg;     // a file to write
  std::optional<std::string> output;  // and one for the best mapping
};

// The best mapping of a matmul or a convolution, what Gemmini's rule misses, and how random
// mappings spread.
void map_command(const MapOptions& options, const CommonOptions& common);

// Writes every network of the run's front into `folder`.
void export_command(const std::filesystem::path& run, const std::filesystem::path& folder,
                    const CommonOptions& common);

// Writes the picture and the report of a run again, from its folder.
void report_command(const std::filesystem::path& run, const CommonOptions& common);

struct CompareOptions {
  std::vector<std::string> algorithms = algorithm_names();  // contestant_from_text()
  int seeds = 10;
  std::int64_t enumerable = 32768;  // spaces of so many networks at most are enumerated
};

// Searches with several algorithms and many seeds at equal budget, and says which is better.
void compare_command(const RunOptions& options, const CompareOptions& compare,
                     const CommonOptions& common);

struct FinetuneOptions {
  std::filesystem::path run;
  std::string member;            // an id of the run's history, or the beginning of one
  int steps = 0;                 // 0: a quarter of the run's
  double learning_rate = 0;      // peak; 0: a third of the run's
  std::filesystem::path output;  // weights, *.safetensors; empty: RUN/finetune/ID.safetensors
  bool resume = false;
};

// Trains one network of a run on alone, from its slice of the supernet; says what that gains.
void finetune_command(const FinetuneOptions& options, const CommonOptions& common);

}  // namespace paretoformer::nas
