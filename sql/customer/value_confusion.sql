-- One row per model or baseline, actual class and predicted class: how many of the test customers, and what they
-- were worth. All nine combinations stand here, with 0 where there is nobody.
with predictions as (
    select
        t.model,
        t.is_baseline,
        t.actual_segment,
        t.predicted_segment,
        count(*) as customers,
        sum(t.future_net_sales) as future_net_sales
    from customer.value_test_predictions as t
    group by t.model, t.is_baseline, t.actual_segment, t.predicted_segment
),

models as (
    select distinct
        e.model,
        e.is_baseline,
        e.is_served
    from customer.value_evaluation as e
),

segments as (
    select 1 as sort_order, 'Low' as segment
    union all
    select 2 as sort_order, 'Mid' as segment
    union all
    select 3 as sort_order, 'High' as segment
),

cells as (
    select
        m.model,
        m.is_baseline,
        m.is_served,
        a.segment as actual_segment,
        a.sort_order as actual_order,
        p.segment as predicted_segment,
        p.sort_order as predicted_order
    from models as m
    cross join segments as a
    cross join segments as p
),

final as (
    select
        c.model,
        c.actual_segment,
        c.predicted_segment,
        c.actual_order,
        c.predicted_order,
        coalesce(p.customers, 0) as customers,
        sum(coalesce(p.customers, 0)) over (partition by c.model, c.actual_segment) as actual_customers,
        coalesce(p.customers, 0)::double precision
        / nullif(sum(coalesce(p.customers, 0)) over (partition by c.model, c.actual_segment), 0) as share,
        coalesce(p.future_net_sales, 0) as future_net_sales,
        c.is_served,
        c.is_baseline
    from cells as c
    left join predictions as p
        on c.model = p.model
        and c.actual_segment = p.actual_segment
        and c.predicted_segment = p.predicted_segment
)

select * from final
