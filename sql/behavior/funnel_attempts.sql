-- One row per scope, unit and month of the view, of units that got further than the view: how far, with the
-- earliest attempt of each depth (definitions in behavior.funnel). Scope 1 is the session, 2 the visitor, 3
-- the visitor and a product; units and products are numbers (behavior.numbered_visits, numbered_names).
with clock as (
    select
        c.first_interaction_date,
        p.funnel_window_days * interval '24 hours' as time_limit
    from core.clock as c
    cross join core.parameters as p
),

events as (
    select
        e.visitor_number as visitor,
        case when e.visit_number > 0 then e.visit_number end as visit,
        e.good_number as product,
        e.funnel_step as step,
        e.occurred_at,
        e.occurred_month as month
    from behavior.numbered_events as e
    cross join clock as c
    where e.funnel_step is not null and e.occurred_date >= c.first_interaction_date
),

later_steps as (
    select
        1 as scope,
        e.visit as unit,
        0 as product,
        e.step,
        e.occurred_at
    from events as e
    where e.step > 1 and e.visit is not null
    union all
    select
        2 as scope,
        e.visitor as unit,
        0 as product,
        e.step,
        e.occurred_at
    from events as e
    where e.step > 1 and e.visitor is not null
    union all
    select
        3 as scope,
        e.visitor as unit,
        e.product,
        e.step,
        e.occurred_at
    from events as e
    where e.step > 1 and e.visitor is not null and e.product is not null
),

decisions as (
    select
        d.scope,
        d.unit,
        d.product,
        d.step,
        d.occurred_at,
        min(case when d.step = 3 then d.occurred_at end) over (
            partition by d.scope, d.unit, d.product order by d.occurred_at, d.step
            rows between current row and unbounded following
        ) as next_purchase_at
    from later_steps as d
),

-- only units with a cart or a purchase can get further than the view
walks as (
    select
        d.scope,
        d.unit,
        d.product,
        d.step,
        d.occurred_at,
        null::date as month,
        d.next_purchase_at
    from decisions as d
    union all
    select
        1 as scope,
        e.visit as unit,
        0 as product,
        e.step,
        e.occurred_at,
        e.month,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (select 1 from decisions as d where d.scope = 1 and d.unit = e.visit)
    union all
    select
        2 as scope,
        e.visitor as unit,
        0 as product,
        e.step,
        e.occurred_at,
        e.month,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (select 1 from decisions as d where d.scope = 2 and d.unit = e.visitor)
    union all
    select
        3 as scope,
        e.visitor as unit,
        e.product,
        e.step,
        e.occurred_at,
        e.month,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (
            select 1
            from decisions as d
            where d.scope = 3 and d.unit = e.visitor and d.product = e.product
        )
),

seen as (
    select
        w.scope,
        w.unit,
        w.product,
        w.step,
        w.occurred_at,
        w.month,
        min(case when w.step = 2 then w.occurred_at end) over ahead as next_cart_at,
        min(case when w.step = 2 then w.next_purchase_at end) over ahead as next_cart_purchase_at,
        min(case when w.step = 3 then w.occurred_at end) over ahead as next_purchase_at
    from walks as w
    window ahead as (
        partition by w.scope, w.unit, w.product order by w.occurred_at, w.step
        rows between current row and unbounded following
    )
),

attempts as (
    select
        s.scope,
        s.unit,
        s.product,
        s.month,
        s.occurred_at as view_at,
        case when s.next_cart_at <= s.occurred_at + c.time_limit then s.next_cart_at end as cart_at,
        case when s.next_cart_purchase_at <= s.occurred_at + c.time_limit then s.next_cart_purchase_at end
            as purchase_at,
        case when s.next_purchase_at <= s.occurred_at + c.time_limit then s.next_purchase_at end as bought_at
    from seen as s
    cross join clock as c
    where s.step = 1
),

-- the earliest attempt of each depth: a later view has no earlier cart or purchase, so that the minima of one
-- depth belong to one attempt
final as (
    select
        a.scope,
        a.unit,
        a.product,
        a.month,
        min(a.view_at) filter (where a.cart_at is not null) as carted_view_at,
        min(a.cart_at) as cart_at,
        min(a.view_at) filter (where a.purchase_at is not null) as purchased_view_at,
        min(a.cart_at) filter (where a.purchase_at is not null) as purchased_cart_at,
        min(a.purchase_at) as purchase_at,
        min(a.view_at) filter (where a.bought_at is not null) as bought_view_at,
        min(a.bought_at) as bought_at
    from attempts as a
    where a.cart_at is not null or a.bought_at is not null
    group by a.scope, a.unit, a.product, a.month
)

select * from final
