# TELLTALE_NETS: generated nets without .c, "path/doors path/lamp"; TELLTALE_EDGE: the folder of telltale.h.
TELLTALE_MOD := $(USERMOD_DIR)
TELLTALE_EDGE ?= $(abspath $(TELLTALE_MOD)/../..)
TELLTALE_RUNTIME ?= $(filter-out %/run_net.c,$(wildcard $(TELLTALE_EDGE)/*.c))
SRC_USERMOD_C += $(TELLTALE_MOD)/modtelltale.c
SRC_USERMOD_LIB_C += $(TELLTALE_RUNTIME) $(addsuffix .c,$(abspath $(TELLTALE_NETS)))
CFLAGS_USERMOD += -I$(TELLTALE_EDGE) $(addprefix -I,$(sort $(dir $(abspath $(TELLTALE_NETS))))) -ffp-contract=off \
                  '-DTT_NETS=$(foreach net,$(TELLTALE_NETS),X($(notdir $(net))))'
