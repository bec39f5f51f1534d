# tnsim and its own tests; the model's are found with them.
SIM_TESTS := $(sort $(wildcard t/sim/t/*.t))
