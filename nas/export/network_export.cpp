#include "nas/export/network_export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "accel_sim/simulator.hpp"
#include "nas/export/gemmini_c.hpp"
#include "nas/export/gguf_network.hpp"
#include "nas/export/huggingface.hpp"
#include "nas/export/interchange.hpp"
#include "nas/export/onnx_network.hpp"
#include "supernet/model/evaluation.hpp"
#include "supernet/model/network_file.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {
namespace {

void write_safetensors(const std::filesystem::path& path, const ExportedNetwork& network) {
  save_network(path, network.layout, network.parameters, network.candidate.architecture,
               network_metadata(network));
}

void write_onnx(const std::filesystem::path& path, const ExportedNetwork& network) {
  write_file_atomic(path, onnx_network(network.layout, network.parameters,
                                       network.candidate.architecture, network_metadata(network)));
}

void write_gguf(const std::filesystem::path& path, const ExportedNetwork& network) {
  write_file_atomic(path,
                    gguf_network(network.layout, network.parameters, network.candidate.architecture,
                                 network.tokenizer, hex(network.candidate.id)));
}

supernet::QuantizedNetwork quantized_form(const ExportedNetwork& network) {
  return calibrated(fold(network.layout, network.parameters.data(), network.candidate.architecture),
                    network.calibration);
}

void write_onnx_int8(const std::filesystem::path& path, const ExportedNetwork& network) {
  write_file_atomic(path, onnx_network(quantized_form(network), network_metadata(network)));
}

void require_workload_of_programs(const accel_sim::Workload& workload) {
  if (workload != executed_workload(workload.sequence_length))
    throw InputError(
        "a program computes all positions of a sequence, as the quantized network does: expected "
        "the workload's mode to be prefill, mask causal, biases true, nonlinear_inputs int8 and "
        "batch 1");
}

void write_gemmini_c(const std::filesystem::path& path, const ExportedNetwork& network) {
  require_workload_of_programs(network.workload);
  const Architecture& architecture = network.candidate.architecture;
  if (has_int4(architecture))
    throw InputError("weights of four bits (" + describe(architecture) +
                     "): Gemmini has nothing that unpacks them; expected weight_bits 8");
  const int length = network.workload.sequence_length;
  if (network.text.size() < static_cast<std::size_t>(length))
    throw InputError(fmt::format("a sequence of {} tokens: the validation text has {}", length,
                                 network.text.size()));
  const auto tokens = network.text.first(static_cast<std::size_t>(length));
  const supernet::QuantizedNetwork quantized = quantized_form(network);
  const NetworkProgram program =
      network_program(quantized, tokens, network.hardware,
                      compile_with_mapper(architecture, network.workload, network.hardware,
                                          accel_sim::simulated_prices(network.hardware)));
  supernet::IntegerActivations activations(quantized, length);
  std::vector<std::int32_t> logits(supernet::area(length, quantized.head.outputs));
  integer_logits(quantized, tokens, length, activations, logits.data());
  if (run(program, network.hardware) != logits)
    throw Error("the simulated accelerator computes other logits than the integer operators");
  std::int64_t cycles = 0;
  for (const accel_sim::OperatorReport& each :
       simulate_network(architecture, network.workload, network.hardware))
    cycles += each.report.cost.latency.value();
  const GemminiProgram about{
      fmt::format("{}, {} tokens ({})", describe(architecture), length, hex(network.candidate.id)),
      fmt::format("{} x {} array, {} / {} KiB", network.hardware.array_size,
                  network.hardware.array_size, network.hardware.scratchpad_kib,
                  network.hardware.accumulator_kib),
      gemmini_checksum(logits), cycles, tokens};
  write_file_atomic(path, gemmini_c(program, network.hardware, about));
}

// With which whoever reads the weights can check that they are read as they are meant: tokens, and
// the mean loss of predicting each of them but the first from those before it, in fp32, and in the
// accelerator's integers.
Json example(const ExportedNetwork& network, bool int8) {
  const auto count =
      std::min(network.text.size(), static_cast<std::size_t>(network.layout.context()));
  if (count < 2) return nullptr;
  const int length = static_cast<int>(count) - 1;
  const supernet::Batch batch{network.text.data(), network.text.data() + 1, 1, length};
  supernet::CpuLosses<float> losses(network.layout, network.parameters, length,
                                    supernet::Products::fp32);
  const std::vector<std::vector<double>> sums =
      losses.sequence_losses({&network.candidate.architecture, 1}, batch);
  Json json{{"tokens", std::vector(network.text.begin(), network.text.begin() + length + 1)},
            {"loss", sums[0][0] / length}};
  if (int8) json["loss_int8"] = integer_loss(quantized_form(network), batch);
  return json;
}

constexpr Exporter kExporters[] = {
    {"safetensors", ".safetensors", "fp32 weights by name, for PyTorch and others",
     write_safetensors},
    {"huggingface", "/model.safetensors",
     "a folder with those, config.json, tokeniser and model card", write_huggingface},
    {"onnx", ".onnx", "the fp32 network for ONNX Runtime and others", write_onnx},
    {"onnx-int8", ".int8.onnx", "the int8 network for ONNX Runtime and others (QDQ)",
     write_onnx_int8, true},
    {"gguf", ".gguf", "the fp32 network for llama.cpp, as a gpt2 padded with zeros", write_gguf},
    {"gemmini-c", ".c", "a C program of the int8 network for a machine with Gemmini",
     write_gemmini_c, true},
    {"scalesim", ".scalesim.csv", "the matmuls for SCALE-Sim, with its configuration",
     write_scalesim},
    {"timeloop", ".timeloop/", "a folder of problems for Timeloop, one a matmul", write_timeloop},
    {"zigzag", ".zigzag.onnx", "the matmuls for ZigZag", write_zigzag},
};

}  // namespace

std::span<const Exporter> exporters() { return kExporters; }

std::map<std::string, std::string> network_metadata(const ExportedNetwork& network) {
  const Candidate& candidate = network.candidate;
  return {{"id", hex(candidate.id)},
          {"validation_loss", Json(candidate.objectives.validation_loss).dump()},
          {"provenance", network.provenance.dump()}};
}

void export_network(const std::filesystem::path& stem, const ExportedNetwork& network,
                    const Exporter& exporter) {
  const auto file = [&](std::string_view suffix) {
    std::filesystem::path path = stem;
    return path += suffix;
  };
  const std::filesystem::path weights = file(exporter.suffix);
  Json json = to_json(network.candidate);
  if (!network.confirmed.is_null()) json["confirmed"] = network.confirmed;
  json["hardware"] = to_json(network.hardware);
  json["provenance"] = network.provenance;
  json["example"] = example(network, exporter.int8);
  json["weights"] = stem.filename().string() + std::string(exporter.suffix);
  exporter.write(weights, network);  // first: it may refuse
  write_file_atomic(file(".json"), to_text(json));
}

}  // namespace paretoformer::nas
