/* tile.h: the inner sums for the machine at hand; -DTT_SCALAR takes the reference anywhere. */
#ifndef TELLTALE_TILE_H
#define TELLTALE_TILE_H

#include "tile_scalar.h"

#if defined(TT_NEON)
#include "tile_neon.h"
#define copy_row copy_row_neon
#define gather_pair gather_pair_neon
#define dot4 dot4_neon
#define four_pixels four_pixels_neon
#define copy_channels copy_channels_neon
#define finish4 finish4_neon
#define tile_pair tile_pair_neon
#define depthwise8 depthwise8_neon
#define sum8 sum8_neon
#elif defined(TT_SSE2)
#include "tile_sse2.h"
#define copy_row copy_row_scalar
#define gather_pair gather_pair_scalar
#define dot4 dot4_sse2
#define four_pixels four_pixels_scalar
#define copy_channels copy_channels_scalar
#define finish4 finish4_scalar
#define tile_pair tile_pair_sse2
#define depthwise8 depthwise8_scalar
#define sum8 sum8_scalar
#else
#define copy_row copy_row_scalar
#define gather_pair gather_pair_scalar
#define dot4 dot4_scalar
#define four_pixels four_pixels_scalar
#define copy_channels copy_channels_scalar
#define finish4 finish4_scalar
#define tile_pair tile_pair_scalar
#define depthwise8 depthwise8_scalar
#define sum8 sum8_scalar
#endif

#endif
