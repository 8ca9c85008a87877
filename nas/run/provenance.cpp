#include "nas/run/provenance.hpp"

#include "accel_sim/simulator.hpp"
#include "accel_sim/workload/words.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

Json provenance(const RunFolder& run, const ProxyTask& proxy) {
  Json json{{"seed", run.config().seed},
            {"config_hash", hex(config_hash(run.config()))},
            {"hardware_hash", hex(target_hash(run.config().hardware))},
            {"text_hash", hex(proxy.corpus().hash)},
            {"supernet", proxy.fingerprint()},
            {"cost_model", accel_sim::kSimulatorModel},
            {"mode", accel_sim::kModeWords.word_of(run.config().workload.mode)},
            {"sequence_length", run.config().workload.sequence_length},
            {"mask", accel_sim::kMaskWords.word_of(run.config().workload.mask)},
            {"biases", run.config().workload.biases},
            {"nonlinear_inputs",
             accel_sim::kNonlinearInputsWords.word_of(run.config().workload.nonlinear_inputs)}};
  if (run.config().workload.batch > 1) json["batch"] = run.config().workload.batch;
  return json;
}

}  // namespace paretoformer::nas
