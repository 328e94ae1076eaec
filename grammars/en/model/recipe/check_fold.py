"""check_fold.py CHECKPOINT WAV (8 kHz speech): MFCC + folded Kaldi components (read back from final.mdl bytes) == torch net on log-mel"""
import sys,numpy as np,torch,struct,re,wave
import kaldi_native_fbank as knf
from net import *; import export_mdl as E, augment
net=Net(); net.load_state_dict(torch.load(sys.argv[1],weights_only=True)); net.eval()
E.write(net,'work/chk.mdl',0); b=open('work/chk.mdl','rb').read()
comp={}
for m in re.finditer(rb'<ComponentName> (\S+) <FixedAffineComponent> <LinearParams> FM ',b):
    p=m.end(); r=struct.unpack('<i',b[p+1:p+5])[0]; c=struct.unpack('<i',b[p+6:p+10])[0]; p+=10; W=np.frombuffer(b[p:p+4*r*c],'<f4').reshape(r,c); p+=4*r*c; t=b'<BiasParams> FV '; assert b[p:p+len(t)]==t; p+=len(t); n=struct.unpack('<i',b[p+1:p+5])[0]; comp[m[1].decode()]=(W,np.frombuffer(b[p+5:p+5+4*n],'<f4'))
w=wave.open(sys.argv[2]); x=np.frombuffer(w.readframes(1<<30),'<i2').astype(np.float32)
o=knf.MfccOptions(); f=o.frame_opts; f.samp_freq=8000; f.dither=0; f.snip_edges=True; o.mel_opts.num_bins=32; o.mel_opts.low_freq=80; o.mel_opts.high_freq=3600; o.num_ceps=32; o.use_energy=False; o.cepstral_lifter=0
e=knf.OnlineMfcc(o); e.accept_waveform(8000,x); e.input_finished(); M=np.stack([e.get_frame(i) for i in range(e.num_frames_ready)]); L=augment.fbank(x)
print('mfcc==dct*mel',np.abs(M-L@E.dct().T).max())
pl,pr=net.pad; P=lambda z: np.concatenate([np.repeat(z[:1],pl,0),z,np.repeat(z[-1:],pr,0)])
ref=net(torch.tensor(P(L))[None])[0].detach().numpy()
h=P(M); n=2*K0+1; u=np.stack([h[i:i+n].ravel() for i in range(0,len(h)-n+1,3)]); W,bb=comp['l0.affine']; h=np.maximum(u@W.T+bb,0)
for i,bl in enumerate(net.blocks,1):
    W,bb=comp[f'b{i}.lin']; z=np.concatenate([h[:-bl.l],h[bl.l:]],1)@W.T+bb; W,bb=comp[f'b{i}.aff']; y=np.maximum(np.concatenate([z[:-bl.r],z[bl.r:]],1)@W.T+bb,0); h=.66*h[bl.l:len(h)-bl.r]+y
W,bb=comp['out.affine']; y=h@W.T+bb; y=y-np.log(np.exp(y-y.max(1,keepdims=True)).sum(1,keepdims=True))-y.max(1,keepdims=True); print('folded vs torch',np.abs(y-ref).max(),ref.shape)
