# UJPEG_FLAGS, UJPEG_LIB: where libjpeg-turbo's headers lie and what to link, for a cross build.
UJPEG_MOD := $(USERMOD_DIR)
UJPEG_EDGE ?= $(abspath $(UJPEG_MOD)/../..)
UJPEG_LIB ?= -ljpeg
SRC_USERMOD_C += $(UJPEG_MOD)/modujpeg.c
SRC_USERMOD_LIB_C += $(UJPEG_EDGE)/jpeg/jpeg.c
CFLAGS_USERMOD += -I$(UJPEG_EDGE) -I$(UJPEG_EDGE)/jpeg $(UJPEG_FLAGS)
LDFLAGS_USERMOD += $(UJPEG_LIB)
