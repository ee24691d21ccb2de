-- One row per scope, unit and moment of a purchase: whether a view stands in the window before it, and
-- whether one stands there with a cart after it (definitions in behavior.funnel). Scope 1 is the session, 2
-- the visitor, 3 the visitor and a product; units and products are numbers (behavior.numbered_visits,
-- numbered_names).
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
        e.occurred_at
    from behavior.numbered_events as e
    cross join clock as c
    where e.funnel_step is not null and e.occurred_date >= c.first_interaction_date
),

units as (
    select
        1 as scope,
        e.visit as unit,
        0 as product
    from events as e
    where e.step = 3 and e.visit is not null
    union
    select
        2 as scope,
        e.visitor as unit,
        0 as product
    from events as e
    where e.step = 3 and e.visitor is not null
    union
    select
        3 as scope,
        e.visitor as unit,
        e.product
    from events as e
    where e.step = 3 and e.visitor is not null and e.product is not null
),

-- only of units with a purchase
walks as (
    select
        1 as scope,
        e.visit as unit,
        0 as product,
        e.step,
        e.occurred_at
    from events as e
    where e.visit is not null
        and exists (
            select 1 from units as u where u.scope = 1 and u.unit = e.visit
        )
    union all
    select
        2 as scope,
        e.visitor as unit,
        0 as product,
        e.step,
        e.occurred_at
    from events as e
    where e.visitor is not null
        and exists (
            select 1 from units as u where u.scope = 2 and u.unit = e.visitor
        )
    union all
    select
        3 as scope,
        e.visitor as unit,
        e.product,
        e.step,
        e.occurred_at
    from events as e
    where e.visitor is not null and e.product is not null
        and exists (
            select 1 from units as u where u.scope = 3 and u.unit = e.visitor and u.product = e.product
        )
),

seen as (
    select
        w.scope,
        w.unit,
        w.product,
        w.step,
        w.occurred_at,
        max(case when w.step = 1 then w.occurred_at end) over (
            partition by w.scope, w.unit, w.product order by w.occurred_at, w.step
            rows between unbounded preceding and current row
        ) as last_view_at
    from walks as w
),

reasons as (
    select
        s.scope,
        s.unit,
        s.product,
        s.step,
        s.occurred_at,
        s.last_view_at,
        max(case when s.step = 2 then s.last_view_at end) over (
            partition by s.scope, s.unit, s.product order by s.occurred_at, s.step
            rows between unbounded preceding and current row
        ) as last_carted_view_at
    from seen as s
    where s.step > 1
),

final as (
    select
        r.scope,
        r.unit,
        r.product,
        r.occurred_at,
        coalesce(min(r.last_view_at) + min(c.time_limit) >= r.occurred_at, false) as is_viewed,
        coalesce(min(r.last_carted_view_at) + min(c.time_limit) >= r.occurred_at, false) as is_carted
    from reasons as r
    cross join clock as c
    where r.step = 3
    group by r.scope, r.unit, r.product, r.occurred_at
)

select * from final
