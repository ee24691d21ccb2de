-- One row per declared and observed class: how many customers say to buy so often and do buy so often.
-- Among customers with an order. Every pair stands here, with 0 where nobody is; who declared nothing, or a
-- word that is no class, is `Unknown`. `share` is of all customers with the same declaration. `classes_apart`
-- counts from the declared class to the observed one, above 0 buys less often than declared; NULL where they
-- cannot be compared.
with classes as (
    select
        f.frequency_class,
        f.sort_order,
        f.declared_as,
        f.days_above is null as is_single
    from customer.frequency_classes as f
),

declarations as (
    select
        f.declared_as as declared_frequency,
        f.sort_order
    from classes as f
    where f.declared_as is not null
    union all
    select
        'Unknown' as declared_frequency,
        null as sort_order
),

customers as (
    select
        i.frequency_class,
        coalesce(f.declared_as, 'Unknown') as declared_frequency,
        count(*) as customers
    from customer.order_intervals as i
    inner join core.customers as m on i.customer_id = m.customer_id
    left join classes as f on m.declared_purchase_frequency = f.declared_as
    group by i.frequency_class, coalesce(f.declared_as, 'Unknown')
),

cells as (
    select
        d.declared_frequency,
        o.frequency_class,
        d.sort_order as declared_order,
        o.sort_order,
        case when not o.is_single then o.sort_order - d.sort_order end as classes_apart,
        coalesce(m.customers, 0) as customers,
        sum(coalesce(m.customers, 0)) over (partition by d.declared_frequency) as declared_customers
    from declarations as d
    cross join classes as o
    left join customers as m
        on d.declared_frequency = m.declared_frequency and o.frequency_class = m.frequency_class
),

final as (
    select
        c.declared_frequency,
        c.frequency_class,
        c.declared_order,
        c.sort_order,
        c.customers,
        c.declared_customers,
        c.customers::double precision / nullif(c.declared_customers, 0) as share,
        c.classes_apart,
        c.classes_apart = 0 as agrees,
        c.declared_customers < p.min_group_size as low_n
    from cells as c
    cross join core.parameters as p
)

select * from final
