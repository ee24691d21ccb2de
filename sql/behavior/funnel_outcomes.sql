-- One row per row of behavior.funnel_attempts: the attempt that counts, and the kind of visit (device type,
-- location and channel, behavior.numbered_kinds) at its view. Without the cart as a step another attempt may
-- count, that of `bought_view_at`.
-- the kind of the visit at a view; two views of a visitor at the same moment: the first in the order of kinds
with touches as (
    select
        e.visitor_number as visitor,
        e.occurred_at,
        min(case when e.visit_number > 0 then e.kind_number end) as kind
    from behavior.numbered_events as e
    cross join core.clock as c
    where e.funnel_step = 1 and e.occurred_date >= c.first_interaction_date
    group by e.visitor_number, e.occurred_at
),

final as (
    select
        d.scope,
        d.unit,
        d.product,
        d.month,
        coalesce(d.purchased_view_at, d.carted_view_at) as view_at,
        case when d.purchase_at is null then d.cart_at else d.purchased_cart_at end as cart_at,
        d.purchase_at,
        d.bought_view_at,
        d.bought_at,
        coalesce(t.kind, v.kind_number) as kind,
        coalesce(b.kind, v.kind_number) as bought_kind
    from behavior.funnel_attempts as d
    left join behavior.numbered_visits as v on case when d.scope = 1 then d.unit end = v.visit_number
    left join touches as t
        on case when d.scope > 1 then d.unit end = t.visitor
        and coalesce(d.purchased_view_at, d.carted_view_at) = t.occurred_at
    left join touches as b
        on case when d.scope > 1 then d.unit end = b.visitor and d.bought_view_at = b.occurred_at
)

select * from final
