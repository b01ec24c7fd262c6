// The vector code of separable convolutions, included by winograd-kernels.h for each set of instructions;
// of that set it needs Min (as Max), too.

// e^x within two units of the last place, as Cephes' expf: 2^n · e^r with |r| <= ln 2 / 2.
WINOGRAD_INLINE Vector Exp(Vector x) {
  typedef int32_t Integers __attribute__((vector_size(kLanes * sizeof(int32_t))));
  // Infinite from 89 on: what is divided by it becomes 0.
  x = Min(Set(89.0f), Max(Set(-87.0f), x));
  // A number of this size has its whole part in the last bits.
  const Vector kWhole = Set(12582912.0f);
  const Vector shifted = MulAdd(x, Set(1.44269504088896341f), kWhole);
  const Vector n = Sub(shifted, kWhole);
  const Vector r = MulSub(n, Set(-2.12194440e-4f), MulSub(n, Set(0.693359375f), x));
  Vector y = Set(1.9875691500e-4f);
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                  5.0000001201e-1f}) {
    y = MulAdd(y, r, Set(c));
  }
  y = Add(MulAdd(y, Mul(r, r), r), Set(1));
  const Integers power = ((Integers)shifted << 23) + 0x3f800000;
  return Mul(y, (Vector)power);
}

// What a sum becomes. Not smooth are those that only bound it.
constexpr bool IsSmooth(Activation activation) { return activation >= Activation::kSwish; }

struct Bounds {
  WINOGRAD_INLINE explicit Bounds(Activation activation)
      : low(Set(activation == Activation::kNone ? -INFINITY : 0)),
        high(Set(activation == Activation::kRelu6 ? 6 : INFINITY)) {}
  Vector low, high;
};

template <bool Smooth>
WINOGRAD_INLINE Vector Activate(Vector x, Activation activation, const Bounds& bounds) {
  if constexpr (!Smooth) return Min(bounds.high, Max(bounds.low, x));
  return Div(activation == Activation::kSwish ? x : Set(1), Add(Set(1), Exp(Sub(Set(0), x))));
}

// output [rows, channels] = activation(sums + bias + residual); `residual` lies as the output.
template <bool Smooth>
WINOGRAD_TARGET void FinishRows(const float* sums, int64_t sum_stride, int64_t rows,
                                int64_t channels, const float* bias, const float* residual,
                                Activation activation, int64_t stride, float* output) {
  const Bounds bounds(activation);
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t lanes = Least(kLanes, channels - c);
    const Vector added = LoadLanes(bias + c, lanes);
    for (int64_t r = 0; r < rows; r++) {
      Vector value = Add(Load(sums + r * sum_stride + c), added);
      if (residual != nullptr) value = Add(value, LoadLanes(residual + r * stride + c, lanes));
      StoreLanes(output + r * stride + c, Activate<Smooth>(value, activation, bounds), lanes);
    }
  }
}

// Some rows of a 1×1 convolution, kBlockChannels of the output at a time.
WINOGRAD_TARGET void MultiplyBlock(const Pointwise& p, const RowBlock& at, int64_t image,
                                   const float* input, float* copy, int64_t copy_stride,
                                   float* sums, float* output) {
  const float* values = input + at.first * p.in;
  int64_t value_stride = p.in;
  if (p.scale != nullptr) {
    for (int64_t r = 0; r < at.rows; r++) {
      for (int64_t i = 0; i < p.in; i += kLanes) {
        const int64_t lanes = Least(kLanes, p.in - i);
        const Vector scale = LoadLanes(p.scale + image * p.in + i, lanes);
        Store(copy + r * copy_stride + i, Mul(scale, LoadLanes(values + r * p.in + i, lanes)));
      }
    }
    values = copy;
    value_stride = copy_stride;
  }
  for (int64_t channel = at.channel; channel < at.end; channel += kBlockChannels) {
    const int64_t channels = Least(kBlockChannels, at.end - channel);
    MultiplyDepth(values, value_stride, at.rows, p.panels + channel * p.in, p.in, channels, sums);
    const auto finish = IsSmooth(p.activation) ? FinishRows<true> : FinishRows<false>;
    const int64_t start = at.first * p.out + channel;
    finish(sums, kBlockChannels, at.rows, channels, p.bias + channel,
           p.residual == nullptr ? nullptr : p.residual + start, p.activation, p.out,
           output + start);
  }
}

// Fills a strip [rows, columns, kPanel] with what is convolved, zeros around the image.
WINOGRAD_TARGET void FillStrip(const Depthwise& d, const Strip& strip, const float* input) {
  const int64_t first = strip.first * d.strides[0] - d.top;
  const int64_t end = first + (strip.rows - 1) * d.strides[0] + d.size[0];
  const int64_t row_floats = strip.columns * kPanel;
  const int64_t right = Least(d.width, strip.columns - d.left);
  const int64_t y0 = std::max<int64_t>(0, first), y1 = Least(d.height, end);
  for (int64_t y = first; y < end; y++) {
    float* row = strip.values + (y - first) * row_floats;
    if (y < y0 || y >= y1) {
      std::fill_n(row, row_floats, 0.0f);
    } else {
      std::fill_n(row, d.left * kPanel, 0.0f);
      std::fill(row + (d.left + right) * kPanel, row + row_floats, 0.0f);
    }
  }
  const int64_t depth = d.expand == nullptr ? d.channels : d.expand->in;
  const float* pixels = input + (strip.image * d.height + y0) * d.width * depth;
  const int64_t lanes = Least(kPanel, d.channels - strip.channel), count = (y1 - y0) * d.width;
  for (int64_t i = 0; i < count; i += kBlockTiles) {
    const int64_t some = Least(kBlockTiles, count - i);
    if (d.expand != nullptr) {
      MultiplyDepth<kPanel>(pixels + i * depth, depth, some,
                            d.expand->panels + strip.channel * depth, depth, kPanel, strip.block);
    }
    // As far as they lie in one row, and in what the output reads.
    for (int64_t k = i, next; k < i + some; k = next) {
      const int64_t y = k / d.width, x = k % d.width;
      next = Least(i + some, (y + 1) * d.width);
      const int64_t run = Least(next - k, right - x);
      float* to = strip.values + (y + y0 - first) * row_floats + (d.left + x) * kPanel;
      if (d.expand != nullptr) {
        const Activation activation = d.expand->activation;
        const auto finish = IsSmooth(activation) ? FinishRows<true> : FinishRows<false>;
        finish(strip.block + (k - i) * kPanel, kPanel, run, lanes, d.expand->bias + strip.channel,
               nullptr, activation, kPanel, to);
        continue;
      }
      for (int64_t j = 0; j < run; j++) {
        for (int64_t c = 0; c < lanes; c += kLanes) {
          const float* from = pixels + (k + j) * depth + strip.channel + c;
          Store(to + j * kPanel + c, LoadLanes(from, Least(kLanes, lanes - c)));
        }
      }
    }
  }
}

// A row of the output, a vector of channels: `Count` places side by side, then half as many; returns
// the sum of the places, added up in this order.
template <bool Smooth, int Count = 8>
WINOGRAD_TARGET Vector ConvolveRow(const Depthwise& d, const Strip& strip, const float* row,
                                   const float* kernel, int64_t width, Vector bias, int64_t lanes,
                                   float* output) {
  const int64_t step = d.strides[1] * kPanel;
  const Bounds bounds(d.activation);
  Vector total = Set(0);
  for (; width >= Count; width -= Count, row += Count * step, output += Count * d.channels) {
    Vector sum[Count];
#pragma GCC unroll 8
    for (int j = 0; j < Count; j++) sum[j] = bias;
    const float *values = row, *weights = kernel;
    for (int64_t ky = 0; ky < d.size[0]; ky++, values += strip.columns * kPanel) {
      for (int64_t kx = 0; kx < d.size[1]; kx++, weights += kPanel) {
        const Vector weight = Load(weights);
#pragma GCC unroll 8
        for (int j = 0; j < Count; j++) {
          sum[j] = MulAdd(Load(values + kx * kPanel + j * step), weight, sum[j]);
        }
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < Count; j++) {
      const Vector value = Activate<Smooth>(sum[j], d.activation, bounds);
      StoreLanes(output + j * d.channels, value, lanes);
      total = Add(total, value);
    }
  }
  if constexpr (Count > 1) {
    if (width > 0) {
      const auto rest = ConvolveRow<Smooth, Count / 2>;
      total = Add(total, rest(d, strip, row, kernel, width, bias, lanes, output));
    }
  }
  return total;
}

// kPanel channels of a strip of the output, and the sum of each.
WINOGRAD_TARGET void ConvolveStrip(const Depthwise& d, const Strip& strip, const float* input,
                                   float* output, float* sums) {
  const int64_t channels = Least(kPanel, d.channels - strip.channel);
  for (int64_t k = 0; k < d.size[0] * d.size[1]; k++) {
    std::copy_n(d.kernel + k * d.channels + strip.channel, channels, strip.kernel + k * kPanel);
  }
  FillStrip(d, strip, input);
  const auto convolve = IsSmooth(d.activation) ? ConvolveRow<true> : ConvolveRow<false>;
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t lanes = Least(kLanes, channels - c);
    const Vector bias = LoadLanes(d.bias + strip.channel + c, lanes);
    Vector total = Set(0);
    for (int64_t y = 0; y < strip.rows; y++) {
      const float* row = strip.values + y * d.strides[0] * strip.columns * kPanel + c;
      const int64_t place = (strip.image * d.out_height + strip.first + y) * d.out_width;
      float* to = output + place * d.channels + strip.channel + c;
      total = Add(total, convolve(d, strip, row, strip.kernel + c, d.out_width, bias, lanes, to));
    }
    StoreLanes(sums + c, total, lanes);
  }
}
