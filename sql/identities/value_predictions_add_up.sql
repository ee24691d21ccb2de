-- One row per table of the prediction of customer value and figure: customers of customer.value_cutoffs against
-- rows and labels.
with cutoffs as (
    select
        c.cutoff_date,
        c.kind,
        c.customers
    from customer.value_cutoffs as c
),

features as (
    select
        f.cutoff_date,
        count(*) as customers,
        count(f.future_net_sales) as labels
    from customer.value_features as f
    group by f.cutoff_date
),

predictions as (
    select
        count(*) as customers,
        count(*) filter (where p.predicted_segment = 'High') as high_customers
    from customer.value_prediction as p
),

high_values as (
    select count(*) as customers
    from customer.high_value as h
    where h.basis = 'predicted'
),

confusions as (
    select
        c.model,
        sum(c.customers) as customers
    from customer.value_confusion as c
    group by c.model
),

compared as (
    select
        'customer.value_features' as derived,
        'customers at ' || c.cutoff_date::text as item,
        coalesce(f.customers, 0) as left_value,
        c.customers as right_value
    from cutoffs as c
    left join features as f on c.cutoff_date = f.cutoff_date
    union all
    select
        'customer.value_features' as derived,
        'labels at ' || c.cutoff_date::text as item,
        coalesce(f.labels, 0) as left_value,
        case when c.kind = 'score' then 0 else c.customers end as right_value
    from cutoffs as c
    left join features as f on c.cutoff_date = f.cutoff_date
    union all
    select
        'customer.value_prediction' as derived,
        'customers' as item,
        p.customers as left_value,
        c.customers as right_value
    from cutoffs as c
    cross join predictions as p
    where c.kind = 'score'
    union all
    select
        'customer.high_value' as derived,
        'customers predicted High' as item,
        h.customers as left_value,
        p.high_customers as right_value
    from high_values as h
    cross join predictions as p
    union all
    select
        'customer.value_confusion' as derived,
        'customers of ' || m.model as item,
        m.customers as left_value,
        c.customers as right_value
    from cutoffs as c
    cross join confusions as m
    where c.kind = 'test'
),

final as (
    select
        c.derived,
        c.item,
        c.left_value,
        c.right_value,
        c.left_value - c.right_value as difference
    from compared as c
)

select * from final
