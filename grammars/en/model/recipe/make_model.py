"""make_model.py CHECKPOINT MODEL_DIR: checkpoint -> complete model folder, as the one above was made: UNK_PEN 2.0, 8-bit matrices, blank prior e^4"""
import os,subprocess,sys,torch
import export_mdl
from net import Net
checkpoint,model=sys.argv[1:3]
os.makedirs(f'{model}/am',exist_ok=True)
subprocess.run([sys.executable,'build_graph.py',model],check=True,env=dict(os.environ,UNK_PEN='2.0'))
net=Net(); net.load_state_dict(torch.load(checkpoint,weights_only=True))
export_mdl.write(net,f'{model}/am/final.mdl',3,blank_bias=4.)
