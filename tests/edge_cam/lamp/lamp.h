#include "telltale.h"

extern const tt_net lamp_net;
