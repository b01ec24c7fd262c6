// The operations that a graph may use beside TensorFlow's own:
//
//   Img2FeaturesWinogradKernel(kernel [3, 3, in, out]) -> transformed [36, panels, in, 16]
//   Img2FeaturesWinogradConv2D(input [n, h, w, in], transformed, bias [out]) -> [n, h, w, out],
//     with `pool`, as MaxPool 2×2 at stride 2 leaves it, [n, h / 2, w / 2, out]
//
//   Img2FeaturesPanels(kernel [1, 1, in, out]) -> panels [panels, in, 16]
//   Img2FeaturesPointwiseConv2D(input [n, h, w, in], panels, bias [out], scale [n, 1, 1, in], residual)
//     -> [n, h, w, out]: a 1×1 convolution of input · scale, residual added; without one or both of
//     these, they are of rank 1 and empty
//   Img2FeaturesDepthwiseConv2D(input, kernel [kh, kw, channels, 1], bias [channels], panels, bias)
//     -> [n, h', w', channels], its mean over h' and w' [n, channels]: of what a 1×1 convolution makes of
//     the input, with `expand` as its activation; of the input itself where `panels` is of rank 1
#include "operations.h"

#include <string>
#include <utility>

#include "separable.h"
#include "tensorflow-c-api.h"
#include "winograd.h"

namespace {

WorkerThreads* threads = nullptr;

enum Flag { kRelu = 1, kPool = 2 };

// What goes wrong in a kernel, as TensorFlow is told of it.
class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  bool ok() const { return TF_GetCode(status_) == TF_OK; }
  void Fail(TF_Code code, const char* message) { TF_SetStatus(status_, code, message); }
  TF_Status* get() { return status_; }
  std::string message() const { return TF_Message(status_); }

 private:
  TF_Status* status_;
};

// Owned here.
class Tensor {
 public:
  explicit Tensor(TF_Tensor* tensor = nullptr) : tensor_(tensor) {}
  Tensor(const Tensor&) = delete;
  ~Tensor() {
    if (tensor_ != nullptr) TF_DeleteTensor(tensor_);
  }
  TF_Tensor** put() { return &tensor_; }
  int rank() const { return TF_NumDims(tensor_); }
  int64_t size(int axis) const { return TF_Dim(tensor_, axis); }
  int64_t count() const {
    int64_t count = 1;
    for (int axis = 0; axis < rank(); axis++) count *= size(axis);
    return count;
  }
  float* data() const { return static_cast<float*>(TF_TensorData(tensor_)); }

 private:
  TF_Tensor* tensor_;
};

bool GetInput(TF_OpKernelContext* context, int index, int rank, Tensor& tensor, Status& status,
              bool is_optional = false) {
  TF_GetInput(context, index, tensor.put(), status.get());
  if (!status.ok()) return false;
  if (is_optional && tensor.rank() == 1) return true;
  if (tensor.rank() != rank) status.Fail(TF_INVALID_ARGUMENT, "an input has another rank");
  return status.ok();
}

TF_Tensor* AllocateOutput(TF_OpKernelContext* context, std::initializer_list<int64_t> shape,
                          Status& status, int index = 0) {
  size_t bytes = sizeof(float);
  for (int64_t size : shape) bytes *= size;
  const int rank = static_cast<int>(shape.size());
  return TF_AllocateOutput(context, index, TF_FLOAT, shape.begin(), rank, bytes, status.get());
}

void TransformKernel(TF_OpKernelContext* context, Status& status) {
  Tensor kernel;
  if (!GetInput(context, 0, 4, kernel, status)) return;
  if (kernel.size(0) != 3 || kernel.size(1) != 3) {
    return status.Fail(TF_INVALID_ARGUMENT, "the kernel is not 3×3");
  }
  const int64_t in = kernel.size(2), out = kernel.size(3);
  const Tensor transformed(AllocateOutput(
      context, {winograd::kPoints, winograd::CountPanels(out), in, winograd::kPanel}, status));
  if (!status.ok()) return;
  winograd::TransformKernel(kernel.data(), in, out, transformed.data(), *threads);
}

void Convolve(TF_OpKernelContext* context, int flags, Status& status) {
  const bool pool = (flags & kPool) != 0;
  Tensor input, transformed, bias;
  if (!GetInput(context, 0, 4, input, status) || !GetInput(context, 1, 4, transformed, status) ||
      !GetInput(context, 2, 1, bias, status)) {
    return;
  }
  const winograd::Shape shape = {input.size(0), input.size(1), input.size(2), input.size(3),
                                 bias.size(0)};
  if (transformed.size(0) != winograd::kPoints ||
      transformed.size(1) != winograd::CountPanels(shape.out) || transformed.size(2) != shape.in ||
      transformed.size(3) != winograd::kPanel) {
    return status.Fail(TF_INVALID_ARGUMENT, "the kernel fits neither the input nor the bias");
  }
  const int64_t step = pool ? 2 : 1;
  if (shape.height % step != 0 || shape.width % step != 0) {
    return status.Fail(TF_INVALID_ARGUMENT, "an image of odd size cannot be pooled");
  }
  const Tensor output(AllocateOutput(
      context, {shape.batch, shape.height / step, shape.width / step, shape.out}, status));
  if (!status.ok()) return;
  const winograd::Finish finish = {bias.data(), (flags & kRelu) != 0, pool};
  if (!winograd::Convolve(shape, input.data(), transformed.data(), finish, output.data(),
                          *threads)) {
    status.Fail(TF_RESOURCE_EXHAUSTED, "out of memory for a convolution");
  }
}

// All that a convolution knows beside its inputs are two flags: they are the pointer itself.
void* CreateConvolution(TF_OpKernelConstruction* construction) {
  Status status;
  uintptr_t flags = 0;
  for (const auto& [name, flag] : {std::pair("relu", kRelu), std::pair("pool", kPool)}) {
    unsigned char is_set = 0;
    TF_OpKernelConstruction_GetAttrBool(construction, name, &is_set, status.get());
    if (!status.ok()) TF_OpKernelConstruction_Failure(construction, status.get());
    if (is_set != 0) flags |= flag;
  }
  return reinterpret_cast<void*>(flags);
}

void ComputeConvolution(void* flags, TF_OpKernelContext* context) {
  Status status;
  Convolve(context, static_cast<int>(reinterpret_cast<uintptr_t>(flags)), status);
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
}

void ComputeKernel(void*, TF_OpKernelContext* context) {
  Status status;
  TransformKernel(context, status);
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
}

void Destroy(void*) {}

void ComputePanels(void*, TF_OpKernelContext* context) {
  Status status;
  Tensor kernel;
  if (GetInput(context, 0, 4, kernel, status)) {
    const int64_t in = kernel.size(2), out = kernel.size(3);
    const Tensor panels(
        AllocateOutput(context, {winograd::CountPanels(out), in, winograd::kPanel}, status));
    if (status.ok()) winograd::PackPanels(kernel.data(), in, out, panels.data());
  }
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
}

// What a separable convolution knows beside its inputs.
struct Attributes {
  int32_t activation = 0, expand = 0;
  int32_t strides[2] = {1, 1}, pads[4] = {};  // top, bottom, left, right
};

void* CreatePart(TF_OpKernelConstruction* construction, bool is_depthwise) {
  Status status;
  auto* found = new Attributes;
  const auto get = [&](const char* name, int32_t* values, int count) {
    if (!status.ok()) return;
    if (count == 1) TF_OpKernelConstruction_GetAttrInt32(construction, name, values, status.get());
    else TF_OpKernelConstruction_GetAttrInt32List(construction, name, values, count, status.get());
  };
  get("activation", &found->activation, 1);
  if (is_depthwise) {
    get("expand", &found->expand, 1);
    get("strides", found->strides, 2);
    get("pads", found->pads, 4);
  }
  if (!status.ok()) TF_OpKernelConstruction_Failure(construction, status.get());
  return found;
}

void DestroyPart(void* attributes) { delete static_cast<Attributes*>(attributes); }

bool FitPanels(const Tensor& panels, int64_t in, const Tensor& bias, Status& status) {
  if (panels.size(0) != winograd::CountPanels(bias.size(0)) || panels.size(1) != in ||
      panels.size(2) != winograd::kPanel) {
    status.Fail(TF_INVALID_ARGUMENT, "the kernel fits neither the input nor the bias");
  }
  return status.ok();
}

void ConvolvePointwise(const Attributes& attributes, TF_OpKernelContext* context, Status& status) {
  Tensor input, panels, bias, scale, residual;
  if (!GetInput(context, 0, 4, input, status) || !GetInput(context, 1, 3, panels, status) ||
      !GetInput(context, 2, 1, bias, status) || !GetInput(context, 3, 4, scale, status, true) ||
      !GetInput(context, 4, 4, residual, status, true) ||
      !FitPanels(panels, input.size(3), bias, status)) {
    return;
  }
  winograd::Pointwise p = {input.size(0), input.size(1) * input.size(2), input.size(3),
                           bias.size(0), panels.data(), bias.data(),
                           static_cast<winograd::Activation>(attributes.activation)};
  if (scale.rank() == 4) p.scale = scale.data();
  if (residual.rank() == 4) p.residual = residual.data();
  if ((p.scale != nullptr && scale.count() != p.images * p.in) ||
      (p.residual != nullptr && residual.count() != p.images * p.pixels * p.out)) {
    return status.Fail(TF_INVALID_ARGUMENT, "a scale or a residual has another shape");
  }
  const Tensor output(AllocateOutput(
      context, {input.size(0), input.size(1), input.size(2), p.out}, status));
  if (!status.ok()) return;
  if (!winograd::ConvolvePointwise(p, input.data(), output.data(), *threads)) {
    status.Fail(TF_RESOURCE_EXHAUSTED, "out of memory for a convolution");
  }
}

void ConvolveDepthwise(const Attributes& attributes, TF_OpKernelContext* context, Status& status) {
  Tensor input, kernel, bias, panels, expand_bias;
  if (!GetInput(context, 0, 4, input, status) || !GetInput(context, 1, 4, kernel, status) ||
      !GetInput(context, 2, 1, bias, status) || !GetInput(context, 3, 3, panels, status, true) ||
      !GetInput(context, 4, 1, expand_bias, status)) {
    return;
  }
  const bool expands = panels.rank() == 3;
  const int32_t *strides = attributes.strides, *pads = attributes.pads;
  winograd::Depthwise d = {input.size(0), input.size(1), input.size(2), bias.size(0),
                           {kernel.size(0), kernel.size(1)}, {strides[0], strides[1]},
                           pads[0], pads[2]};
  const int64_t more[2] = {d.height + pads[0] + pads[1] - d.size[0],
                           d.width + pads[2] + pads[3] - d.size[1]};
  d.out_height = more[0] / d.strides[0] + 1;
  d.out_width = more[1] / d.strides[1] + 1;
  if (kernel.size(2) != d.channels || kernel.size(3) != 1 || more[0] < 0 || more[1] < 0 ||
      (!expands && input.size(3) != d.channels)) {
    return status.Fail(TF_INVALID_ARGUMENT, "the kernel fits neither the input nor the bias");
  }
  if (expands && !FitPanels(panels, input.size(3), expand_bias, status)) return;
  const winograd::Pointwise expand = {d.images, d.height * d.width, input.size(3), d.channels,
                                      expands ? panels.data() : nullptr, expand_bias.data(),
                                      static_cast<winograd::Activation>(attributes.expand)};
  d.kernel = kernel.data();
  d.bias = bias.data();
  d.activation = static_cast<winograd::Activation>(attributes.activation);
  if (expands) d.expand = &expand;
  const Tensor output(
      AllocateOutput(context, {d.images, d.out_height, d.out_width, d.channels}, status));
  if (!status.ok()) return;
  const Tensor mean(AllocateOutput(context, {d.images, d.channels}, status, 1));
  if (!status.ok()) return;
  if (!winograd::ConvolveDepthwise(d, input.data(), output.data(), mean.data(), *threads)) {
    status.Fail(TF_RESOURCE_EXHAUSTED, "out of memory for a convolution");
  }
}

template <void (*Run)(const Attributes&, TF_OpKernelContext*, Status&)>
void ComputePart(void* attributes, TF_OpKernelContext* context) {
  Status status;
  Run(*static_cast<const Attributes*>(attributes), context, status);
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
}

using Words = std::initializer_list<const char*>;

// Makes an operation and its kernel for the CPU known.
void Define(const char* op, Words inputs, Words attributes, Words outputs,
            void* (*create)(TF_OpKernelConstruction*),
            void (*compute)(void* kernel, TF_OpKernelContext*), void (*destroy)(void* kernel),
            Status& status) {
  if (!status.ok()) return;
  TF_OpDefinitionBuilder* builder = TF_NewOpDefinitionBuilder(op);
  for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(builder, input);
  for (const char* attribute : attributes) TF_OpDefinitionBuilderAddAttr(builder, attribute);
  for (const char* output : outputs) TF_OpDefinitionBuilderAddOutput(builder, output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(
      builder, [](TF_ShapeInferenceContext* context, TF_Status* status) {
        TF_ShapeInferenceContextSetUnknownShape(context, status);
      });
  TF_RegisterOpDefinition(builder, status.get());
  if (!status.ok()) return;
  TF_RegisterKernelBuilder(op, TF_NewKernelBuilder(op, "CPU", create, compute, destroy),
                           status.get());
}

}  // namespace

std::string RegisterOperations(int thread_count) {
  if (threads != nullptr) return "";
  threads = new WorkerThreads(thread_count);
  Status status;
  Define("Img2FeaturesWinogradKernel", {"kernel: float"}, {}, {"output: float"}, nullptr,
         ComputeKernel, Destroy, status);
  Define("Img2FeaturesWinogradConv2D", {"input: float", "kernel: float", "bias: float"},
         {"relu: bool", "pool: bool"}, {"output: float"}, CreateConvolution, ComputeConvolution,
         Destroy, status);
  Define("Img2FeaturesPanels", {"kernel: float"}, {}, {"output: float"}, nullptr, ComputePanels,
         Destroy, status);
  Define("Img2FeaturesPointwiseConv2D",
         {"input: float", "panels: float", "bias: float", "scale: float", "residual: float"},
         {"activation: int"}, {"output: float"},
         [](TF_OpKernelConstruction* c) { return CreatePart(c, false); },
         ComputePart<ConvolvePointwise>, DestroyPart, status);
  Define("Img2FeaturesDepthwiseConv2D",
         {"input: float", "kernel: float", "bias: float", "panels: float", "expand_bias: float"},
         {"activation: int", "expand: int", "strides: list(int)", "pads: list(int)"},
         {"output: float", "mean: float"},
         [](TF_OpKernelConstruction* c) { return CreatePart(c, true); },
         ComputePart<ConvolveDepthwise>, DestroyPart, status);
  return status.message();
}
