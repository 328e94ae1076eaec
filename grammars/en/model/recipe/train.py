"""train.py NAME SECONDS THREADS [init.pt] [lr]: CTC training over feat/*.npz (files may appear while it runs); lr follows the clock"""
import sys,glob,time,random,math,numpy as np,torch,os
from net import *
name=sys.argv[1]; T=float(sys.argv[2]); torch.set_num_threads(int(sys.argv[3])); init=sys.argv[4] if len(sys.argv)>4 and sys.argv[4]!='-' else None; LR=float(sys.argv[5]) if len(sys.argv)>5 else 2e-3
torch.manual_seed(0); rs=np.random.RandomState(0); B='work/'; os.makedirs(B+'ck',exist_ok=True)
net=Net(); 
def load(f):
    z=np.load(f); o=np.concatenate([[0],np.cumsum(z['lens'])]); p=np.concatenate([[0],np.cumsum(z['nlab'])]); return z['feat'],o,z['labs'],p
def files(): return [f for f in sorted(glob.glob(B+'feat/[0-9]*.npz')) if '/9' not in f]
VF=[f for f in sorted(glob.glob(B+'feat/9*.npz'))]
z=np.load((files() or VF)[0])['feat'].astype(np.float32)[::7]; net.mean.copy_(torch.tensor(z.mean(0))); net.istd.copy_(torch.tensor(1/z.std(0).clip(1)))
if init: net.load_state_dict(torch.load(init,weights_only=True))
PL,PR=net.pad
def batches(d,bs_frames=8000,shuffle=True):
    F_,o,l,p=d; n=len(o)-1; ln=np.diff(o); idx=np.argsort(ln+rs.uniform(0,40,n)); out=[];cur=[];mx=0
    for i in idx:
        mx2=max(mx,ln[i]+PL+PR)
        if cur and mx2*(len(cur)+1)>bs_frames: out.append(cur); cur=[]; mx2=ln[i]+PL+PR
        cur.append(i); mx=mx2
    if cur: out.append(cur)
    if shuffle: rs.shuffle(out)
    for b in out:
        m=max(ln[i] for i in b); X=np.empty((len(b),m+PL+PR,NM),np.float32); T_=[];Y=[];U=[]
        for k,i in enumerate(b):
            f=F_[o[i]:o[i+1]].astype(np.float32); X[k,:PL]=f[0]; X[k,PL:PL+len(f)]=f; X[k,PL+len(f):]=f[-1]
            T_.append((len(f)+2)//3); y=l[p[i]:p[i+1]]; Y.append(y); U.append(len(y))
        yield X,np.array(T_),np.concatenate(Y).astype(np.int64),np.array(U)
def spec(X):
    b,t,m=X.shape; mean=net.mean.numpy()
    X+=rs.uniform(-1.5,1.5,(b,1,1))+rs.uniform(-.6,.6,(b,1,1))*np.linspace(-1,1,m)[None,None]
    for k in range(b):
        for _ in range(1): w=rs.randint(0,5); s=rs.randint(0,m-w); X[k,:,s:s+w]=mean[s:s+w]
        for _ in range(max(1,t//300)):
            w=rs.randint(0,8); s=rs.randint(0,t-w); X[k,s:s+w]=mean
    return X
opt=torch.optim.AdamW(net.parameters(),lr=LR,betas=(.9,.98),weight_decay=2e-3)
def ctc(lp,T_,Y,U): return F.ctc_loss(lp.transpose(0,1),torch.tensor(Y),torch.tensor(T_),torch.tensor(U),blank=0,reduction='none',zero_infinity=True)
def ev():
    net.eval(); tot=n=err=0
    with torch.no_grad():
        for X,T_,Y,U in batches(load(VF[0]),shuffle=False):
            lp=net(torch.tensor(X)); T_=np.minimum(T_,lp.shape[1]); tot+=ctc(lp,T_,Y,U).sum().item(); n+=U.sum()
            h=lp.argmax(-1).numpy(); q=0
            for k in range(len(U)):
                s=[a for a,b in zip(h[k,:T_[k]],np.concatenate([[0],h[k,:T_[k]-1]])) if a and a!=b]; ref=list(Y[q:q+U[k]]); q+=U[k]
                d=list(range(len(ref)+1))
                for a in s:
                    e=d[0]; d[0]+=1
                    for j in range(1,len(ref)+1): e,d[j]=d[j],min(d[j]+1,d[j-1]+1,e+(ref[j-1]!=a))
                err+=d[-1]
            if n>8000: break
    net.train(); return tot/n,100*err/n
t0=time.time(); step=0; last=t0; av=None; used={}
net.drop.p=float(os.environ.get('DROP','0')); net.train()
while time.time()-t0<T:
    fs=files() or VF; f=min(fs,key=lambda f:(used.get(f,0),rs.rand())); used[f]=used.get(f,0)+1
    for X,T_,Y,U in batches(load(f)):
        fr=(time.time()-t0)/T
        if fr>=1: break
        lr=LR*min(1,(step+1)/200)*(0.5*(1+math.cos(math.pi*min(1,fr)))+.002)
        for g in opt.param_groups: g['lr']=lr
        lp=net(torch.tensor(spec(X))); T_=np.minimum(T_,lp.shape[1]); loss=ctc(lp,T_,Y,U).sum()/max(1,U.sum())
        opt.zero_grad(); loss.backward(); torch.nn.utils.clip_grad_norm_(net.parameters(),5.); opt.step(); step+=1
        av=loss.item() if av is None else .98*av+.02*loss.item()
        if step%50==0: print(f'{name} step {step} t {time.time()-t0:.0f} lr {lr:.5f} loss {av:.3f}',flush=True)
        if time.time()-last>200: last=time.time(); torch.save(net.state_dict(),B+f'ck/{name}.pt'); print('EVAL loss/PER',ev(),'files',len(fs),'passes',sum(used.values()),flush=True)
torch.save(net.state_dict(),B+f'ck/{name}.pt'); print('FINAL',ev(),'steps',step,'passes',sum(used.values()))
